namespace His.Hl7;

/// <summary>The answer to a message: AA accepted, AE error in what it says, AR not for us.</summary>
public static class Acknowledgement
{
    public static string Accept(Message message) => Compose(message, "AA", "");

    public static string Error(Message message, string why) => Compose(message, "AE", why);

    public static string Reject(Message message, string why) => Compose(message, "AR", why);

    private static string Compose(Message message, string code, string text) =>
        $"MSH|^~\\&|HIS|MAIN|{message.Field("MSH", 3)}|{message.Field("MSH", 4)}|{DateTime.UtcNow:yyyyMMddHHmmss}||ACK^{message.Trigger}|" +
        $"{message.ControlId}-ACK|P|2.5\rMSA|{code}|{message.ControlId}|{text.Replace('|', ' ')}\r";
}
