import Support
import Testing

@Suite struct DecimalNumberTests {
    @Test(arguments: [
        ("124", "124.0"), ("124", "1.24e2"), ("124", "1240E-1"), ("0", "-0"), ("0", "0.00e99"), ("-1.50", "-1.5"),
        ("9007199254740993", "9007199254740993.0"), ("1e+2", "100"),
    ])
    func oneValueHasManySpellings(_ left: String, _ right: String) {
        #expect(DecimalNumber(left.utf8) != nil && DecimalNumber(left.utf8) == DecimalNumber(right.utf8))
    }

    @Test(arguments: [
        ("124", "125"), ("1", "-1"), ("9007199254740993", "9007199254740992"), ("1", "10"),
        ("0.1", "0.10000000000000001"),
        ("1e999999999999999999999", "2e999999999999999999999"),
    ])
    func othersDiffer(_ left: String, _ right: String) {
        #expect(DecimalNumber(left.utf8) != DecimalNumber(right.utf8))
    }

    @Test(arguments: ["", "-", "01", "1.", ".5", "+1", "1e", "1e+", "0x10", "1 ", "NaN", "1_0", "true"])
    func whatIsNoNumberIsNone(_ text: String) {
        #expect(DecimalNumber(text.utf8) == nil)
    }
}
