/// Arithmetic for numbers that others wrote: a result that does not fit is the nearest one that does.
///
/// Clocks, claims, files and configurations may say anything. Plain operators trap on overflow, and `&+` wraps around.
extension FixedWidthInteger {
    public func adding(saturating other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        guard overflow else { return sum }
        return other < 0 ? .min : .max
    }

    public func subtracting(saturating other: Self) -> Self {
        let (difference, overflow) = subtractingReportingOverflow(other)
        guard overflow else { return difference }
        // Unsigned values can only fall below zero, which is `min`.
        return other < 0 ? .max : .min
    }

    public func multiplied(saturating other: Self) -> Self {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        guard overflow else { return product }
        return (self < 0) == (other < 0) ? .max : .min
    }
}

extension Duration {
    /// Whole nanoseconds, rounded towards zero. A duration beyond ±292 years is the longest that fits.
    public var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds.multiplied(saturating: 1_000_000_000).adding(saturating: attoseconds / 1_000_000_000)
    }

    /// Whole nanoseconds for a timer: at least 0.
    public var nanoseconds: UInt64 { UInt64(max(wholeNanoseconds, 0)) }

    /// Whole milliseconds, rounded towards zero, but at least 1 for anything above zero: to C libraries 0 means "for
    /// ever".
    public var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let value = seconds.multiplied(saturating: 1_000).adding(saturating: attoseconds / 1_000_000_000_000_000)
        return value == 0 && self > .zero ? 1 : value
    }
}
