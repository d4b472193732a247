// The shared sources name the handles by what they are; here they are LLamaSharp's own. A context keeps its model alive, as LlamaRuntime's does.
global using ContextHandle = LLama.Native.SafeLLamaContextHandle;
global using ModelHandle = LLama.Native.SafeLlamaModelHandle;
global using SamplerHandle = LLama.Native.SafeLLamaSamplerChainHandle;
