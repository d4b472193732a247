namespace FinerCut.Gateway.Storage;

/// <summary>Schema of gateway.db: versions, their history, jobs and what admins switched. No prompt or answer text is in it.</summary>
public static class GatewayDatabase
{
    private const string Schema = """
        CREATE TABLE IF NOT EXISTS versions (
          model TEXT NOT NULL, version TEXT NOT NULL, state TEXT NOT NULL, path TEXT NOT NULL, bytes INTEGER NOT NULL,
          job TEXT, replaced TEXT, since INTEGER NOT NULL, PRIMARY KEY (model, version));
        CREATE TABLE IF NOT EXISTS history (
          number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL,
          was TEXT, state TEXT NOT NULL, event TEXT NOT NULL, reason TEXT);
        CREATE INDEX IF NOT EXISTS history_of_model ON history (model, number);
        CREATE TABLE IF NOT EXISTS canary_weights (model TEXT NOT NULL, version TEXT NOT NULL, weight REAL NOT NULL, PRIMARY KEY (model, version));
        CREATE TABLE IF NOT EXISTS jobs (
          id TEXT PRIMARY KEY, number INTEGER NOT NULL, model TEXT NOT NULL, state TEXT NOT NULL, record TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS recording_switches (model TEXT PRIMARY KEY, enabled INTEGER NOT NULL);
        """;

    public static SqliteFile Open(StateFolder state) => SqliteFile.Open(state.Of("gateway.db"), Schema);

    internal static SqliteFile InMemory() => SqliteFile.Open(":memory:", Schema);
}
