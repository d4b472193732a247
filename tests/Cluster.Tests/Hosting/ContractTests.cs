using System.Reflection;
using FinerCut.Cluster.Hosting;

namespace FinerCut.Tests.Cluster;

/// <summary>
/// What travels between machines and what is kept: two neighbouring versions of the program work together because members are only ever added. contracts.txt is what was released; a line of
/// it never changes or goes. WRITE_CONTRACTS=1 adds what is new.
/// </summary>
public class ContractTests
{
    private const BindingFlags Members = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.DeclaredOnly;

    [Fact]
    public void Nothing_that_was_released_has_changed_and_everything_new_is_on_the_list()
    {
        var path = Path.Combine(Folder, "contracts.txt");
        string[] released = File.Exists(path) ? File.ReadAllLines(path) : [], now = [.. Lines().Order(StringComparer.Ordinal)];
        Assert.Empty(released.Except(now));
        string[] added = [.. now.Except(released)];
        if (Environment.GetEnvironmentVariable("WRITE_CONTRACTS") == "1") File.WriteAllLines(path, released.Concat(added).Order(StringComparer.Ordinal));
        else Assert.Empty(added);
    }

    [Fact]
    public void An_alias_and_a_members_number_mean_one_thing()
    {
        string[] keys = [.. Lines().Select(line => line[..line.IndexOf('=', StringComparison.Ordinal)])];
        Assert.Equal(keys.Distinct(), keys);
    }

    private static string Folder
    {
        get
        {
            for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            {
                var found = Path.Combine(folder.FullName, "tests", "Cluster.Tests", "Hosting");
                if (Directory.Exists(found)) return found;
            }

            throw new DirectoryNotFoundException("tests/Cluster.Tests/Hosting above the test's folder");
        }
    }

    private static IEnumerable<string> Lines()
    {
        foreach (var type in typeof(ClusterDoor).Assembly.GetTypes().Where(type => !type.FullName!.StartsWith("OrleansCodeGen", StringComparison.Ordinal)))
        {
            if (type.GetCustomAttribute<AliasAttribute>()?.Alias is not { } alias) continue;
            foreach (var member in type.GetMembers(Members))
            {
                if (member.GetCustomAttribute<IdAttribute>()?.Id is { } id) yield return $"{alias}[{id}] = {Name(((PropertyInfo)member).PropertyType)} {member.Name}";
                if (type.IsInterface && member is MethodInfo method)
                {
                    yield return $"{alias}.{method.GetCustomAttribute<AliasAttribute>()?.Alias ?? "?" + method.Name} = {Name(method.ReturnType)} ({string.Join(", ", method.GetParameters().Select(parameter => Name(parameter.ParameterType)))})";
                }
            }
        }
    }

    private static string Name(Type type) => !type.IsGenericType ? type.Name : $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";
}
