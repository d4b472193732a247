using FinerCut.Jobs;

namespace FinerCut.Gateway;

/// <summary>The default verb: serves until told to stop.</summary>
public static class ServeVerb
{
    public static Task<int> RunAsync(string[] arguments) => RunningGateway.RunAsync(arguments, async gateway =>
    {
        Announce(gateway);
        await gateway.WaitForShutdownAsync();
        return ExitCode.Success;
    });

    private static void Announce(RunningGateway gateway)
    {
        var (address, config, key) = (gateway.Address, gateway.Config, gateway.AdminKey);
        Console.WriteLine($"""
            FinerCut.Gateway listens on {address}
              pages      {address}/ to chat, {address}/admin to run it, {address}/reference for the API{(config.Admin.LoopbackOnly ? " (the last two from this machine only)" : "")}
              models     {string.Join(", ", config.Models.Select(model => model.Id))}
              try        curl {address}/v1/chat/completions -H 'Content-Type: application/json' -d '{"{"}"model":"{config.Models[0].Id}","messages":[{"{"}"role":"user","content":"Say hello."{"}"}]{"}"}'
              admin key  {(key.File is null ? "Admin:Key of the settings" : key.File)}{(key.New is null ? "" : $"  {key.New} (shown this once)")}
              state      {gateway.State.FullPath}
            """);
    }
}
