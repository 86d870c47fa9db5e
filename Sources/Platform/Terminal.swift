/// Terminals that people read on: tty_ioctl(4).
public enum Terminal {
    /// The width in columns; nil if the descriptor is not a terminal, or the terminal does not tell. Two system calls.
    public static func columns(_ descriptor: Int32) -> Int? {
        var size = winsize()
        guard isatty(descriptor) == 1, unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 else { return nil }
        return size.ws_col > 0 ? Int(size.ws_col) : nil
    }
}
