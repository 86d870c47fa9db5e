/// Arithmetic on numbers that others wrote: a result that does not fit becomes the nearest one that does.
///
/// Clocks, claims, files and configurations may hold any value. Plain operators trap on overflow, and `&+` wraps
/// around.
extension FixedWidthInteger {
    public func adding(saturating other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        guard overflow else { return sum }
        return other < 0 ? .min : .max
    }

    public func subtracting(saturating other: Self) -> Self {
        let (difference, overflow) = subtractingReportingOverflow(other)
        guard overflow else { return difference }
        // An unsigned difference can only fall below zero, which is `min`.
        return other < 0 ? .max : .min
    }

    public func multiplied(saturating other: Self) -> Self {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        guard overflow else { return product }
        return (self < 0) == (other < 0) ? .max : .min
    }
}

extension Duration {
    /// Whole nanoseconds, rounded towards zero. A duration beyond ±292 years becomes the longest that fits.
    public var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds.multiplied(saturating: 1_000_000_000).adding(saturating: attoseconds / 1_000_000_000)
    }

    /// Whole nanoseconds for a timer: at least 0.
    public var nanoseconds: UInt64 { UInt64(max(wholeNanoseconds, 0)) }

    /// Whole milliseconds, rounded towards zero, but at least 1 for any positive duration: C libraries take 0 for "for
    /// ever".
    public var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let value = seconds.multiplied(saturating: 1_000).adding(saturating: attoseconds / 1_000_000_000_000_000)
        return value == 0 && self > .zero ? 1 : value
    }
}
