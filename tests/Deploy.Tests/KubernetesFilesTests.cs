using k8s;
using k8s.Models;

namespace FinerCut.Tests.Deploy;

/// <summary>The manifests against the types of Kubernetes' API, and what the pod must be.</summary>
public class KubernetesFilesTests
{
    private static readonly string Folder = Checkout.In("deploy", "kubernetes");

    /// <summary>Kinds that Kubernetes itself knows; the others are for kustomize and the Prometheus operator.</summary>
    public static TheoryData<string> Files() =>
        [.. Directory.EnumerateFiles(Folder).Select(path => Path.GetFileName(path)).Where(name => name is not ("kustomization.yaml" or "servicemonitor.yaml"))];

    [Theory]
    [MemberData(nameof(Files))]
    public void Each_field_is_one_of_the_API(string file) => Assert.NotEmpty(KubernetesYaml.LoadAllFromString(Text(file), strict: true));

    [Theory]
    [InlineData("readOnlyRootFilesystem", "readOnlyRootFileSystem")]
    [InlineData("periodSeconds: 5", "periodSeconds: soon")]
    [InlineData("volumeMounts", "volumesMounts")]
    public void A_field_that_is_none_is_found(string right, string wrong)
    {
        Assert.Contains(right, Text("gateway.yaml"), StringComparison.Ordinal);
        Assert.ThrowsAny<Exception>(() => KubernetesYaml.LoadAllFromString(Text("gateway.yaml").Replace(right, wrong, StringComparison.Ordinal), strict: true));
    }

    [Fact]
    public void The_pod_is_nobody_and_writes_its_volumes_only()
    {
        var pod = Pod();
        Assert.True(pod.SecurityContext.RunAsNonRoot);
        Assert.Equal((10001, 10001, 10001), (pod.SecurityContext.RunAsUser, pod.SecurityContext.RunAsGroup, pod.SecurityContext.FsGroup));
        Assert.Contains("USER 10001:10001", File.ReadAllText(Checkout.In("Dockerfile")), StringComparison.Ordinal);
        Assert.False(pod.AutomountServiceAccountToken);
        var container = Assert.Single(pod.Containers);
        Assert.True(container.SecurityContext.ReadOnlyRootFilesystem);
        Assert.False(container.SecurityContext.AllowPrivilegeEscalation);
        Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);
        Assert.Equal(["/state", "/tmp"], container.VolumeMounts.Where(mount => mount.ReadOnlyProperty != true).Select(mount => mount.MountPath).Order());
    }

    [Fact]
    public void It_is_asked_drained_and_given_time()
    {
        var pod = Pod();
        var container = Assert.Single(pod.Containers);
        Assert.Equal("/livez", container.LivenessProbe.HttpGet.Path);
        Assert.Equal("/livez", container.StartupProbe.HttpGet.Path);
        Assert.Equal("/health", container.ReadinessProbe.HttpGet.Path);
        Assert.All([container.LivenessProbe, container.StartupProbe, container.ReadinessProbe], probe => Assert.Contains(container.Ports, port => port.Name == probe.HttpGet.Port.Value));
        var wait = Assert.IsType<V1ExecAction>(container.Lifecycle.PreStop.Exec).Command;
        Assert.Equal("/usr/bin/sleep", wait[0]);
        Assert.True(pod.TerminationGracePeriodSeconds > int.Parse(wait[1], System.Globalization.CultureInfo.InvariantCulture) + 120, "shorter than preStop and the longest drain");
    }

    [Fact]
    public void What_is_named_exists()
    {
        var all = Files().SelectMany(file => KubernetesYaml.LoadAllFromString(Text(file.Data), strict: true)).ToList();
        var set = all.OfType<V1StatefulSet>().Single();
        var pod = set.Spec.Template.Spec;
        var claims = all.OfType<V1PersistentVolumeClaim>().Select(claim => claim.Metadata.Name).ToList();
        Assert.All(pod.Volumes.Where(volume => volume.PersistentVolumeClaim is not null), volume => Assert.Contains(volume.PersistentVolumeClaim.ClaimName, claims));
        var maps = all.OfType<V1ConfigMap>().Select(map => map.Metadata.Name).ToList();
        Assert.All(pod.Volumes.Where(volume => volume.ConfigMap is not null), volume => Assert.Contains(volume.ConfigMap.Name, maps));
        var volumes = pod.Volumes.Select(volume => volume.Name).Concat(set.Spec.VolumeClaimTemplates.Select(claim => claim.Metadata.Name)).ToList();
        Assert.All(pod.Containers.Single().VolumeMounts, mount => Assert.Contains(mount.Name, volumes));
        var service = all.OfType<V1Service>().Single();
        Assert.Equal(set.Spec.ServiceName, service.Metadata.Name);
        Assert.Equal(set.Spec.Template.Metadata.Labels, service.Spec.Selector);
        var listed = Text("kustomization.yaml").Split('\n').Where(line => line.StartsWith("  - ", StringComparison.Ordinal)).Select(line => line[4..].Trim());
        Assert.Equal(Files().Select(file => file.Data).Order(), listed.Order());
    }

    private static V1PodSpec Pod() => KubernetesYaml.LoadAllFromString(Text("gateway.yaml"), strict: true).OfType<V1StatefulSet>().Single().Spec.Template.Spec;

    private static string Text(string file) => File.ReadAllText(Path.Combine(Folder, file));
}
