using System.Reflection;
using Jint;
using Jint.Native;
using Jint.Runtime;

namespace FinerCut.Worker.ChatTemplates;

/// <summary>
/// One Jinja template compiled by @huggingface/jinja inside Jint: no access to .NET, files or network, bounded in time and memory a render.
/// Not thread-safe.
/// </summary>
internal sealed class JinjaScript : IDisposable
{
    /// <summary>Statements of the engine a call; what bounds work on any machine, however busy. A ten-turn conversation takes some ten thousand.</summary>
    private const int StatementLimit = 20_000_000;
    private const long MemoryLimit = 512L << 20;

    /// <summary>The last resort only: on a busy machine even a good template takes its time.</summary>
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(30);

    /// <summary>Runs the engine's CommonJS file, then leaves one function behind: data as JSON in, text out.</summary>
    private const string Frame =
        """
        (function (source, now) {
          var module = { exports: {} };
          load(module, module.exports, now);
          var template = new module.exports.Template(source);
          return function (json) {
            return template.render(JSON.parse(json));
          };
        })
        """;

    /// <summary>
    /// In Python's Jinja, which templates are written for, an undefined value is an empty text or an empty list to a filter; the engine refuses it.
    /// Hermes' template trims descriptions that tools may not have.
    /// </summary>
    private const string Undefined =
        """
        var applyDefined = Interpreter.prototype.applyFilter;
        Interpreter.prototype.applyFilter = function (operand, filter, environment) {
          if (operand.type === "UndefinedValue") {
            var name = filter.type === "Identifier" ? filter.value : filter.callee && filter.callee.value;
            if (["trim", "upper", "lower", "capitalize", "title", "string", "indent", "replace", "length"].indexOf(name) >= 0) operand = new StringValue("");
            else if (["list", "map", "select", "selectattr", "rejectattr", "join", "reverse", "sort", "unique"].indexOf(name) >= 0) operand = new ArrayValue([]);
          }
          return applyDefined.call(this, operand, filter, environment);
        };
        """;

    private readonly Engine _engine;
    private readonly JsValue _render;

    /// <exception cref="ChatTemplateException">The template is not Jinja that the engine understands.</exception>
    public JinjaScript(string source, TimeProvider clock)
    {
        _engine = new Engine(options => options
            .TimeoutInterval(TimeLimit)
            .LimitMemory(MemoryLimit)
            .LimitRecursion(2000)
            .MaxStatements(StatementLimit));
        _render = Guard(() =>
        {
            // The engine's own strftime_now, a function of the file, reads the wall clock and knows few directives: ours takes its place.
            _engine.Execute($"var load = function (module, exports, now) {{\n{Library.Value}\nstrftime_now = now;\n{Undefined}\n{JinjaShortcuts.Script}\n}};", "jinja.cjs");
            var compile = _engine.Evaluate(Frame, "frame.js");
            var now = JsValue.FromObject(_engine, (Func<string, string>)(format => Strftime.Format(clock.GetLocalNow(), format)));
            return _engine.Invoke(compile, [JsValue.FromObject(_engine, source), now]);
        });
    }

    private static Lazy<string> Library { get; } = new(() =>
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("jinja.cjs")
            ?? throw new InvalidOperationException("jinja.cjs is not embedded: build the Worker again.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    });

    /// <exception cref="ChatTemplateException">The template refused the conversation, or ran past its limits.</exception>
    public string Render(string json) => Guard(() => _engine.Invoke(_render, [json])).AsString();

    public void Dispose() => _engine.Dispose();

    private static JsValue Guard(Func<JsValue> call)
    {
        try
        {
            return call();
        }
        catch (JavaScriptException exception)
        {
            throw new ChatTemplateException(exception.Message, exception);
        }
        catch (TimeoutException exception)
        {
            throw new ChatTemplateException($"It ran for more than {TimeLimit.TotalSeconds} s.", exception);
        }
        catch (StatementsCountOverflowException exception)
        {
            throw new ChatTemplateException($"It ran for more than {StatementLimit} statements.", exception);
        }
        catch (MemoryLimitExceededException exception)
        {
            throw new ChatTemplateException($"It took more than {MemoryLimit >> 20} MiB.", exception);
        }
        catch (JintException exception)
        {
            throw new ChatTemplateException(exception.Message, exception);
        }
    }
}

/// <summary>A chat template could not be compiled, or refused a conversation (the message is the template's own).</summary>
public sealed class ChatTemplateException(string message, Exception? inner = null) : Exception(message, inner);
