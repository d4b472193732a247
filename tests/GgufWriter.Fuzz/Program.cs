return FinerCut.Gguf.Fuzz.Verbs.Run(args);
