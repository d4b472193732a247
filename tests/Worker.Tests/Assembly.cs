using Xunit.Sdk;
using Xunit.v3;

// The functional tests compute on all cores; side by side they would only wait for each other.
[assembly: Parallelization(Mode = ParallelMode.None)]
