namespace FinerCut.Worker.ChatTemplates;

/// <summary>
/// Shorter ways through @huggingface/jinja's interpreter to the same text. The engine that runs it is an interpreter itself, in which each value's chain of
/// constructors, a scope's own copy of the built-in names, the walk down a switch for each node, and the globals made anew for each render cost more than the template.
/// </summary>
internal static class JinjaShortcuts
{
    /// <summary>To be run behind the library's own code, in its scope, once it is changed in whatever else.</summary>
    public const string Script =
        """
        var plain = function (base, type) {
          var made = function (value) { this.value = value; };
          made.prototype = base.prototype;
          made.prototype.type = type;
          return made;
        };
        StringValue = plain(StringValue, "StringValue");
        IntegerValue = plain(IntegerValue, "IntegerValue");
        BooleanValue = plain(BooleanValue, "BooleanValue");
        UndefinedValue = plain(UndefinedValue, "UndefinedValue");
        NullValue = plain(NullValue, "NullValue");

        var builtIn = new Environment().variables;
        var scopes = Environment;
        Environment = function (parent) {
          this.parent = parent;
          this.variables = parent ? new Map() : new Map(builtIn);
        };
        Environment.prototype = scopes.prototype;
        Environment.prototype.tests = Environment.TESTS = scopes.TESTS;
        Environment.prototype.lookupVariable = function (name) {
          for (var scope = this; scope; scope = scope.parent) {
            var value = scope.variables.get(name);
            if (value !== undefined) return value;
          }
          return new UndefinedValue();
        };

        var own = Interpreter.prototype;
        var ways = {
          If: own.evaluateIf,
          For: own.evaluateFor,
          Set: own.evaluateSet,
          Identifier: own.evaluateIdentifier,
          MemberExpression: own.evaluateMemberExpression,
          BinaryExpression: own.evaluateBinaryExpression,
          FilterExpression: own.evaluateFilterExpression,
          TestExpression: own.evaluateTestExpression,
          CallExpression: own.evaluateCallExpression,
          UnaryExpression: own.evaluateUnaryExpression,
          StringLiteral: function (node) { return new StringValue(node.value); },
          IntegerLiteral: function (node) { return new IntegerValue(node.value); }
        };
        var evaluateOther = own.evaluate;
        own.evaluate = function (node, environment) {
          var way = node && ways[node.type];
          return way ? way.call(this, node, environment) : evaluateOther.call(this, node, environment);
        };

        var globals = new Environment();
        setupGlobals(globals);
        Template.prototype.render = function (items) {
          var environment = new Environment(globals);
          for (var name in items) environment.set(name, items[name]);
          return new Interpreter(environment).run(this.parsed).value;
        };
        """;
}
