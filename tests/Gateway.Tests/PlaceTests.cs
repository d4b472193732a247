namespace FinerCut.Tests;
public class PlaceTests { [Fact] public void A() => Assert.Equal(2, 1 + 1); }
