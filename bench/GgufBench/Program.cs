using System.Diagnostics;
using System.Globalization;
using FinerCut.Gguf;

// GgufBench [GIB] [FOLDER] [ROUNDS]: rewriting a synthetic file against cp on the same file, opening a model with a large vocabulary, memory.
// The file system decides the figures; give the folder where models will lie. Twice the size must be free.
var gib = args.Length > 0 ? double.Parse(args[0], CultureInfo.InvariantCulture) : 4;
var folder = Directory.CreateDirectory(Path.Combine(args.Length > 1 ? args[1] : Path.GetTempPath(), $"gguf-bench-{Environment.ProcessId}"));
var rounds = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 3;
string In(string name) => Path.Combine(folder.FullName, name);
try
{
    // In this order: the peak of memory is the rewrite's.
    Rewrite(In("source.gguf"), In("copy.gguf"), gib, rounds);
    Reorder(In("rows.gguf"), In("copy.gguf"), rounds);
    OpenLargeVocabulary(In("vocabulary.gguf"));
    return 0;
}
finally
{
    folder.Delete(recursive: true);
}

static void OpenLargeVocabulary(string path)
{
    const int Tokens = 150_000;
    var plan = new GgufEdit().Set(GgufKeys.Architecture, "llama")
        .Set("tokenizer.ggml.tokens", GgufValue.ArrayOf([.. Enumerable.Range(0, Tokens).Select(i => $"token{i}")]))
        .Set("tokenizer.ggml.scores", GgufValue.ArrayOf<float>(new float[Tokens]))
        .Set("tokenizer.ggml.token_type", GgufValue.ArrayOf<int>(new int[Tokens]))
        .Set("tokenizer.ggml.merges", GgufValue.ArrayOf([.. Enumerable.Range(0, 2 * Tokens).Select(i => $"left{i} right{i}")]));
    // As many tensors as a 70B model has.
    for (var block = 0; block < 80; block++)
    {
        for (var tensor = 0; tensor < 9; tensor++) plan.Add(new($"blk.{block}.tensor{tensor}.weight", GgmlType.Q4_K, [256], GgufContent.Bytes(new byte[144])));
    }
    GgufWriter.Write(plan, path);
    var cold = Time(() => GgufFile.Open(path).Dispose());
    var before = GC.GetAllocatedBytesForCurrentThread();
    var warm = Enumerable.Range(0, 20).Min(_ => Time(() => GgufFile.Open(path).Dispose()));
    var allocated = (GC.GetAllocatedBytesForCurrentThread() - before) / 20;
    Console.WriteLine($"open: {Tokens} tokens, {2 * Tokens} merges, 720 tensors, {new FileInfo(path).Length / 1e6:F1} MB of metadata");
    Console.WriteLine($"  first {cold.TotalMilliseconds:F1} ms (with JIT), best of 20 {warm.TotalMilliseconds:F2} ms, {allocated / 1e6:F2} MB allocated; limits 200 ms, 50 MB");
}

static void Rewrite(string source, string target, double gib, int rounds)
{
    const long TensorBytes = 64L << 20;
    var count = (int)(gib * (1L << 30) / TensorBytes);
    var block = new byte[1 << 20];
    var random = new Random(1);
    var plan = new GgufEdit();
    for (var i = 0; i < count; i++)
    {
        plan.Add(new($"blk.{i}.weight", GgmlType.Q8_0, [32 * 1024, TensorBytes / 34 / 1024], GgufContent.Streamed(TensorBytes / 34 / 1024 * 34 * 1024, (stream, _) =>
        {
            random.NextBytes(block);
            for (var left = TensorBytes / 34 / 1024 * 34 * 1024; left > 0; left -= block.Length) stream.Write(block.AsSpan(0, (int)Math.Min(left, block.Length)));
        })));
    }
    GgufWriter.Write(plan, source);
    using var file = GgufFile.Open(source);
    var size = file.Length / 1e9;
    Console.WriteLine($"rewrite: {size:F2} GB, {count} tensors, one key set, {rounds} rounds by turns, best of each");
    var (cp, synced, ours, cut) = (TimeSpan.MaxValue, TimeSpan.MaxValue, TimeSpan.MaxValue, TimeSpan.MaxValue);
    for (var round = 0; round < rounds; round++)
    {
        cp = Least(cp, Fresh(target, () => Run("cp", source, target)));
        synced = Least(synced, Fresh(target, () =>
        {
            Run("cp", source, target);
            Run("sync", target);
        }));
        ours = Least(ours, Fresh(target, () => GgufWriter.Write(new GgufEdit(file).Set("general.name", "bench"), target)));
        cut = Least(cut, Fresh(target, () =>
        {
            var edit = new GgufEdit(file);
            // Half of every tensor's columns, in quarters: the gathering path.
            foreach (var tensor in file.Model.Tensors) edit.Replace(tensor.Name, GgufTensorPlan.Keep(file, tensor, 0, [new(0, 8192), new(16384, 8192)]));
            GgufWriter.Write(edit, target);
        }));
    }
    Console.WriteLine($"  cp               {size / cp.TotalSeconds:F2} GB/s");
    Console.WriteLine($"  cp, then sync    {size / synced.TotalSeconds:F2} GB/s");
    Console.WriteLine($"  rewrite (synced) {size / ours.TotalSeconds:F2} GB/s: {cp / ours:F2} of cp's speed, {synced / ours:F2} of cp's with sync; limit 0.8");
    Console.WriteLine($"  half the columns {size / cut.TotalSeconds:F2} GB/s of source: {synced / cut:F2} of cp's with sync");
    using var self = Process.GetCurrentProcess();
    Console.WriteLine($"  peak memory of this process {self.PeakWorkingSet64 / 1e6:F0} MB; limit 200 MB");
}

static void Reorder(string source, string target, int rounds)
{
    // As Q and K of a model of 4,096 channels: every row goes to another place of its head.
    const int Columns = 4096, Rows = 8192, Head = 128;
    var plan = new GgufEdit();
    for (var i = 0; i < 28; i++) plan.Add(new($"blk.{i}.attn_q.weight", GgmlType.Q8_0, [Columns, Rows], GgufContent.Bytes(new byte[Columns / 32 * 34 * Rows])));
    GgufWriter.Write(plan, source);
    using var file = GgufFile.Open(source);
    var size = file.Length / 1e9;
    GgufRange[] order = [.. Enumerable.Range(0, Rows).Select(row => new GgufRange((row / Head * Head) + (row % Head / 2) + (row % 2 * Head / 2), 1))];
    var (synced, ours) = (TimeSpan.MaxValue, TimeSpan.MaxValue);
    for (var round = 0; round < rounds; round++)
    {
        synced = Least(synced, Fresh(target, () =>
        {
            Run("cp", source, target);
            Run("sync", target);
        }));
        ours = Least(ours, Fresh(target, () =>
        {
            var edit = new GgufEdit(file);
            foreach (var tensor in file.Model.Tensors) edit.Replace(tensor.Name, GgufTensorPlan.Keep(file, tensor, 1, order));
            GgufWriter.Write(edit, target);
        }));
    }
    Console.WriteLine($"reorder: {size:F2} GB, every row of {Columns} columns by itself: {size / ours.TotalSeconds:F2} GB/s, {synced / ours:F2} of cp's with sync");
}

static TimeSpan Fresh(string target, Action write)
{
    File.Delete(target);
    Run("sync");
    return Time(write);
}

static TimeSpan Time(Action action)
{
    var clock = Stopwatch.StartNew();
    action();
    return clock.Elapsed;
}

static TimeSpan Least(TimeSpan a, TimeSpan b) => a < b ? a : b;

static void Run(string program, params string[] arguments)
{
    using var process = Process.Start(program, arguments);
    process.WaitForExit();
    if (process.ExitCode != 0) throw new InvalidOperationException($"{program} ended with {process.ExitCode}.");
}
