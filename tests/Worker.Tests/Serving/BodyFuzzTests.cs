using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace FinerCut.Tests.Serving;

/// <summary>Bodies that were once valid. FINERCUT_FUZZ_REQUESTS sets how many (default 3,000), FINERCUT_FUZZ_SEED where to begin.</summary>
public class BodyFuzzTests
{
    private static readonly (string Path, string Body)[] Bodies =
    [
        ("/v1/chat/completions", """{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"😀"}]}],"max_tokens":2,"temperature":0.5,"top_p":0.9,"stop":["a","b"],"logit_bias":{"5":1.5},"logprobs":true,"top_logprobs":2,"n":1,"seed":3}"""),
        ("/v1/chat/completions", """{"messages":[{"role":"user","content":"hi"}],"max_completion_tokens":2,"stream":true,"stream_options":{"include_usage":true},"top_k":5,"min_p":0.1,"presence_penalty":0.5,"dry_multiplier":0.5,"mirostat":2}"""),
        ("/v1/completions", """{"prompt":["a",[4,5,6]],"max_tokens":2,"echo":true,"n":2,"logit_bias":[[5,-1]],"ignore_eos":true,"grammar":""}"""),
        ("/v1/messages", """{"model":"m","max_tokens":2,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ok"}],"stop_sequences":["x"]}"""),
        ("/v1/responses", """{"model":"m","max_output_tokens":2,"instructions":"i","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}],"text":{"format":{"type":"text"}}}"""),
        ("/v1/chat/completions", """{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"c","content":"x"}],"max_tokens":2,"tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,"parameters":{"type":"object","properties":{"a":{"type":"integer","minimum":1,"maximum":9},"b":{"enum":["x",null]}},"required":["a"],"additionalProperties":false}}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false}"""),
        ("/v1/chat/completions", """{"messages":[{"role":"user","content":"hi"}],"max_tokens":2,"stream":true,"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"$defs":{"t":{"type":"string","pattern":"^a[b-d]{1,3}$","maxLength":9}},"type":"array","minItems":1,"maxItems":3,"items":{"anyOf":[{"$ref":"#/$defs/t"},{"type":"number","minimum":0,"multipleOf":0.5},{"type":"string","format":"date"}]}}}}}"""),
        ("/v1/messages", """{"max_tokens":2,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"tool_use","id":"i","name":"f","input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":[{"type":"text","text":"r"}],"is_error":false}]}],"tools":[{"name":"f","input_schema":{"type":"object","properties":{"a":{"type":"integer"}}}}],"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},"stream":true}"""),
        ("/v1/responses", """{"max_output_tokens":2,"input":[{"role":"user","content":"hi"},{"type":"reasoning","id":"r","summary":[]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"o"}],"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true}],"tool_choice":{"type":"function","name":"f"},"stream":true}"""),
        ("/v1/responses", """{"max_output_tokens":2,"input":"hi","text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"]}}},"reasoning":{"summary":"auto"}}"""),
        ("/completion", """{"prompt":["a",[4,"b",5]],"n_predict":2,"n":2,"n_probs":3,"post_sampling_probs":true,"return_tokens":true,"response_fields":["content","timings/prompt_n"],"id_slot":1,"temperature":0.7}"""),
        ("/completion", """{"prompt":"a","n_predict":2,"stream":true,"return_progress":true,"timings_per_token":true,"n_keep":1,"cache_prompt":false,"json_schema":{"type":"boolean"}}"""),
        ("/v1/chat/completions/input_tokens", """{"messages":[{"role":"user","content":"hi"}],"return_progress":false,"timings_per_token":true}"""),
        ("/apply-template", """{"messages":[{"role":"user","content":"hi"}],"chat_template_kwargs":{"a":1},"add_generation_prompt":true}"""),
        ("/v1/messages/count_tokens", """{"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f","input_schema":{"type":"object"}}]}"""),
        ("/tokenize", """{"content":"hello","add_special":true,"with_pieces":true}"""),
        ("/detokenize", """{"tokens":[4,5,6]}"""),
    ];

    private static readonly string[] Odd =
    [
        "null", "true", "[]", "{}", "\"\"", "-1", "0", "1e308", "-1e308", "1e-320", "99999999999999999999", "2147483648", "-2147483649", "4294967296", "1.5", "\"\\ud800\"", "\"\\u0000\"",
        "[[]]", "[{}]", "{\"type\":\"text\"}", "\"text\"", "[null]", "[1,\"a\",null]", "{\"\\udc00\":1}", "\"<|im_end|>\"",
    ];

    [Fact]
    public async Task NoBodyBreaksTheWorker()
    {
        var count = int.Parse(Environment.GetEnvironmentVariable("FINERCUT_FUZZ_REQUESTS") ?? "3000");
        var seed = int.Parse(Environment.GetEnvironmentVariable("FINERCUT_FUZZ_SEED") ?? "1");
        var random = new Random(seed);
        // A small context ends those soon that ask for as much as fits.
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--ctx-size", "128");
        for (var i = 0; i < count; i++)
        {
            var (path, body) = Bodies[random.Next(Bodies.Length)];
            var bytes = Mutate(random, body);
            using var content = new ByteArrayContent(bytes);
            using var response = await worker.Http.PostAsync(path, content);
            var text = await response.Content.ReadAsStringAsync();
            var where = $"seed {seed}, request {i}, {path}: {Encoding.UTF8.GetString(bytes)}\n{text}";
            Assert.True(response.StatusCode is HttpStatusCode.OK or HttpStatusCode.BadRequest, where);
            if (response.StatusCode != HttpStatusCode.OK) Assert.True(IsError(JsonNode.Parse(text)!), where);
        }

        Assert.True((await worker.Http.GetAsync("/health")).IsSuccessStatusCode);
    }

    private static bool IsError(JsonNode body) => body["error"] is JsonObject error && error.ContainsKey("param") && error.ContainsKey("code")
        && (string?)error["type"] == "invalid_request_error" && ((string?)error["message"])?.Length > 0;

    private static byte[] Mutate(Random random, string body)
    {
        var bytes = Encoding.UTF8.GetBytes(random.Next(4) == 0 ? body : Swap(random, body));
        switch (random.Next(6))
        {
            case 0:
                return bytes[..random.Next(bytes.Length)];
            case 1:
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                return bytes;
            default:
                return bytes;
        }
    }

    /// <summary>Puts an odd value in the place of one somewhere in the tree, or adds it under a name from elsewhere.</summary>
    private static string Swap(Random random, string body)
    {
        var node = JsonNode.Parse(body)!;
        while (true)
        {
            if (node is JsonObject members && members.Count > 0)
            {
                var name = members.ElementAt(random.Next(members.Count)).Key;
                if (members[name] is JsonObject or JsonArray && random.Next(2) == 0) node = members[name]!;
                else return Put(() => members[random.Next(8) == 0 ? "unknown" : name] = "@odd@");
            }
            else if (node is JsonArray { Count: > 0 } items)
            {
                var at = random.Next(items.Count);
                if (items[at] is JsonObject or JsonArray && random.Next(2) == 0) node = items[at]!;
                else return Put(() => items[at] = "@odd@");
            }
            else
            {
                return body;
            }
        }

        string Put(Action put)
        {
            put();
            return node.Root.ToJsonString().Replace("\"@odd@\"", Odd[random.Next(Odd.Length)], StringComparison.Ordinal);
        }
    }
}
