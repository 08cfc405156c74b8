namespace Labs.Bytes;

public static class Rule
{
    public static bool Accepts(int value) => value % 3 == 0;
}
