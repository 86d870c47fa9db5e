internal import CLibevent

/// libevent itself.
public enum EventLibrary {
    /// The one that runs.
    public static var version: String { String(cString: event_get_version()) }
}
