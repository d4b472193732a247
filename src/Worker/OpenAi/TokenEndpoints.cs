using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using FinerCut.Worker.Chats;
using FinerCut.Worker.Serving;

namespace FinerCut.Worker.OpenAi;

/// <summary>llama-server's /tokenize, /detokenize and /apply-template.</summary>
internal sealed class TokenEndpoints(WorkerState state)
{
    public async Task TokenizeAsync(HttpContext http)
    {
        var model = state.Require();
        using var document = await http.ReadJsonAsync();
        var body = new FieldReader(document.RootElement);
        var content = body.Text("content");
        if (content is null && !body.HasFaults) body.Fault("content", "is missing: a string.", "missing_required_parameter");
        var addSpecial = body.Flag("add_special") ?? false;
        var parseSpecial = body.Flag("parse_special") ?? true;
        var withPieces = body.Flag("with_pieces") ?? false;
        body.Accept("model");
        body.Close();
        body.ThrowIfFaulty();
        var tokens = model.Vocabulary.Tokenize(content!, addSpecial, parseSpecial);
        await http.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("tokens");
            foreach (var token in tokens)
            {
                if (withPieces) Piece(json, token, model.TokenTexts.Bytes(token));
                else json.WriteNumberValue(token);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    public async Task DetokenizeAsync(HttpContext http)
    {
        var model = state.Require();
        using var document = await http.ReadJsonAsync();
        var body = new FieldReader(document.RootElement);
        var tokens = Tokens(body, model.Vocabulary.Count);
        body.Accept("model");
        body.Close();
        body.ThrowIfFaulty();
        var content = model.Detokenize(tokens);
        await http.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteString("content", content);
            json.WriteEndObject();
        });
    }

    public async Task ApplyTemplateAsync(HttpContext http)
    {
        var model = state.Require();
        using var document = await http.ReadJsonAsync();
        var request = ChatRequest.Read(document.RootElement, model.Limits);
        var prompt = ChatPlan.Build(model, request.Input).Text;
        await http.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteString("prompt", prompt);
            json.WriteEndObject();
        });
    }

    /// <summary>How long the prompt of a chat would be.</summary>
    public async Task CountAsync(HttpContext http)
    {
        var model = state.Require();
        using var document = await http.ReadJsonAsync();
        var request = ChatRequest.Read(document.RootElement, model.Limits);
        var count = ChatPlan.Build(model, request.Input).Prompt.Length;
        await http.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("input_tokens", count);
            json.WriteEndObject();
        });
    }

    private static int[] Tokens(FieldReader body, int vocabularySize)
    {
        if (body.Any("tokens") is not { ValueKind: JsonValueKind.Array } array)
        {
            if (!body.HasFaults) body.Fault("tokens", "must be an array of token ids.", "invalid_type");
            return [];
        }

        var tokens = new int[array.GetArrayLength()];
        for (var i = 0; i < tokens.Length; i++)
        {
            if (array[i].ValueKind == JsonValueKind.Number && array[i].TryGetInt32(out tokens[i]) && tokens[i] >= 0 && tokens[i] < vocabularySize) continue;
            body.Fault($"tokens[{i}]", $"must be a token id from 0 to {vocabularySize - 1}.", "invalid_value");
            break;
        }

        return tokens;
    }

    /// <summary>A token that is part of a character has no text: its bytes are listed instead.</summary>
    private static void Piece(Utf8JsonWriter json, int token, byte[] bytes)
    {
        json.WriteStartObject();
        json.WriteNumber("id", token);
        if (Utf8.IsValid(bytes))
        {
            json.WriteString("piece", Encoding.UTF8.GetString(bytes));
        }
        else
        {
            json.WriteStartArray("piece");
            foreach (var value in bytes) json.WriteNumberValue(value);
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }
}
