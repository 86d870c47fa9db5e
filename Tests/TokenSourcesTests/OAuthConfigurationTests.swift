import Testing
import TokenSources

struct OAuthConfigurationTests {
    @Test("A grant that needs nobody starts alone", arguments: OAuthConfiguration.GrantType.allCases)
    func startsAlone(_ grant: OAuthConfiguration.GrantType) {
        let needsAPerson: [OAuthConfiguration.GrantType] = [.authorizationCode, .deviceCode]
        #expect(grant.startsAlone != needsAPerson.contains(grant))
    }
}
