using System.Collections.Immutable;

namespace FinerCut.Pruning.Texts;

/// <summary>First words of texts of many kinds, written for this purpose: what follows is the model's own.</summary>
internal static class TextOpenings
{
    public static ImmutableArray<string> All { get; } =
    [
        "The history of the region begins with", "In 1998 the city council decided", "Water boils when", "A common mistake among beginners is", "The recipe needs two cups of",
        "Once upon a time, in a village by the sea,", "She opened the letter and read:", "The patient was admitted with", "Dear colleagues,", "Abstract. We study",
        "def read_lines(path):\n", "#include <stdio.h>\n\nint main(void) {\n", "SELECT name, total FROM", "function sum(values) {\n", "public class Account {\n",
        "Question: What is the difference between", "Q: How do I", "1. Open the settings and", "To install the package,", "The warranty does not cover",
        "According to the report published on Monday,", "The match ended with", "Shares of the company fell", "The minister said that", "Scientists have found",
        "The theorem states that for every", "Let x be a real number such that", "The derivative of", "A triangle with sides", "If a train leaves the station at",
        "Photosynthesis is the process by which", "The heart pumps blood", "Volcanoes form where", "The planet's atmosphere consists of", "Bees communicate by",
        "The French Revolution", "During the Second World War,", "The ancient Romans built", "The treaty was signed in", "The king had three sons.",
        "I grew up in a small town where", "My grandmother always said", "Last summer we travelled to", "What I like most about my work is", "To be honest, I never",
        "The contract begins on", "The parties agree that", "Under the terms of this licence,", "The defendant argued that", "Article 1.",
        "The film follows a young", "The novel is set in", "The album was recorded in", "The painting shows", "In this essay I will argue",
        "Regular exercise helps", "Vitamin D is", "To lower the risk of", "A balanced breakfast", "Sleep is important because",
        "The engine of the car", "A transistor is", "The network protocol defines", "When the server receives a request,", "The battery lasts about",
        "User: Can you explain how\nAssistant:", "Translate into German:", "Summary: The article describes", "Title: How to\n\n", "Subject: Meeting on",
        "Le chat est", "Die Stadt liegt an", "El clima de la region", "<html>\n<head>\n<title>", "{\n  \"name\": \"",
        "| Year | Population |\n|---|---|\n", "Chapter 1\n\n", "Note:", "Warning:", "The following table lists",
        "Children learn best when", "Teachers should", "The lesson begins with", "Students are asked to", "A good example is",
        "The bridge is 120 metres long and", "The museum is open", "Tickets cost", "From the station, take", "The hotel offers",
        "Prices rose by", "The bank raised", "Unemployment in", "The budget for next year", "A loan of",
        "Wolves live in", "The oak tree", "In the desert,", "The river flows", "Rain is expected",
    ];
}
