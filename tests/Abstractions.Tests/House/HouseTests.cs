using System.Xml.Linq;

namespace FinerCut.Tests.House;

/// <summary>The rules of AGENTS.md that a machine can check.</summary>
public class HouseTests
{
    /// <summary>Who may reference whom, with the assembly. All else is refused.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Abstractions"] = [],
        ["GgufWriter"] = [],
        ["PruningPlugin"] = ["Abstractions", "GgufWriter"],
        ["LlamaRuntime"] = ["Abstractions"],
        ["LLamaSharpRuntime"] = ["Abstractions"],
        ["Worker"] = ["Abstractions", "GgufWriter", "PruningPlugin", "LlamaRuntime", "LLamaSharpRuntime"],
        ["Gateway"] = ["Abstractions", "GgufWriter"],
        // Loaded by the Gateway by name in Cluster:Mode = Orleans: the Gateway never references it.
        ["Cluster"] = ["Abstractions", "GgufWriter", "Gateway"],
    };

    /// <summary>Packages that must stay out of the process that serves clients.</summary>
    private static readonly string[] NotInGateway = ["Jint", "LLamaSharp", "Microsoft.ML", "Microsoft.Orleans"];

    private static readonly string[] BannedNames = ["Manager", "Helper", "Helpers", "Utils", "Utilities", "Base", "Impl", "Common"];

    public static TheoryData<string> Projects() => [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.csproj", SearchOption.AllDirectories)];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_references_only_whom_it_may(string project)
    {
        var name = Path.GetFileNameWithoutExtension(project);
        Assert.True(Allowed.TryGetValue(name, out var allowed), $"{name} is a new room: say in HouseTests whom it may reference.");
        var references = XDocument.Load(project).Descendants("ProjectReference")
            .Where(reference => (string?)reference.Attribute("ReferenceOutputAssembly") != "false")
            .Select(reference => Path.GetFileNameWithoutExtension((string)reference.Attribute("Include")!));
        Assert.Empty(references.Except(allowed));
    }

    [Fact]
    public void Gateway_output_holds_no_plugin_and_no_runtime()
    {
        var packages = XDocument.Load(Path.Combine(Repository.Root, "src/Gateway/Gateway.csproj")).Descendants("PackageReference")
            .Select(package => (string)package.Attribute("Include")!);
        Assert.DoesNotContain(packages, package => NotInGateway.Any(banned => package.StartsWith(banned, StringComparison.OrdinalIgnoreCase)));
        foreach (var file in Repository.Sources("src/Gateway")) Assert.DoesNotContain("DllImport(\"libllama", File.ReadAllText(file), StringComparison.Ordinal);
    }

    [Fact]
    public void Files_are_short()
    {
        var rows = Repository.Sources("src").Select(path => (Path.GetRelativePath(Repository.Root, path), Lines: File.ReadLines(path).Count())).Where(row => row.Lines > 300);
        Assert.Empty(rows);
    }

    [Fact]
    public void Names_say_what_a_thing_is()
    {
        var rows = Repository.Sources("src", "tests").Select(path => Path.GetFileNameWithoutExtension(path))
            .Where(name => BannedNames.Any(banned => name.EndsWith(banned, StringComparison.Ordinal)));
        Assert.Empty(rows);
    }

    [Fact]
    public void Lockfiles_name_no_registry()
    {
        var files = Directory.EnumerateFiles(Repository.Root, "package-lock.json", SearchOption.AllDirectories).Where(path => !path.Contains("node_modules", StringComparison.Ordinal)
            && !path.Contains("/artifacts/", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(files);
        foreach (var file in files) Assert.DoesNotContain("\"resolved\"", File.ReadAllText(file), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_project_is_in_the_solution_and_has_a_lockfile()
    {
        var solution = File.ReadAllText(Path.Combine(Repository.Root, "FinerCut.Gateway.sln"));
        var projects = new[] { "src", "tests", "bench", "samples" }.Select(folder => Path.Combine(Repository.Root, folder)).Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*.csproj", SearchOption.AllDirectories));
        Assert.All(projects, project =>
        {
            Assert.Contains(Path.GetFileName(project), solution, StringComparison.Ordinal);
            Assert.True(File.Exists(Path.Combine(Path.GetDirectoryName(project)!, "packages.lock.json")), $"{project} has no packages.lock.json");
        });
    }

    [Fact]
    public void The_embedded_model_is_the_one_that_was_committed()
    {
        using var file = File.OpenRead(Path.Combine(Repository.Root, "models/SmolLM2-135M-Instruct.Q4_1.gguf"));
        Assert.Equal("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(file)));
    }
}
