internal import CLibevent

/// libevent itself.
public enum EventLibrary {
    /// The version of the library at run time.
    public static var version: String { String(cString: event_get_version()) }
}
