namespace FinerCut.Gateway.Access.Keys;

/// <summary>Kinds of endpoint that a key may be let into. The names are the words of the admin interface, lower-cased.</summary>
[Flags]
public enum Grants
{
    None = 0,
    Chat = 1,
    Completions = 2,
    Embeddings = 4,
    Rerank = 8,
    Responses = 16,

    /// <summary>Anthropic's /v1/messages.</summary>
    Messages = 32,

    /// <summary>Tokenize, detokenize and apply-template.</summary>
    Tokenize = 64,

    /// <summary>The list of models.</summary>
    Models = 128,
    Metrics = 256,
    Admin = 512,

    /// <summary>All that a client application needs.</summary>
    Inference = Chat | Completions | Embeddings | Rerank | Responses | Messages | Tokenize | Models,
}
