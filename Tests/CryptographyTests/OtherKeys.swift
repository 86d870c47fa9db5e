/// Keys that were made for these tests, by OpenSSL and Python's cryptography, and protect nothing.
enum OtherKeys {
    /// What is refused, by what is wrong with it.
    static let all = [
        "Ed25519": ed25519, "P-384": p384, "parameters that are spelt out": explicit,
        "another's public key": mismatched,
        "RSA-PSS": pss, "three primes": threePrimes, "1024 bits": short,
        "an exponent that is not its own": wrongExponent,
    ]

    /// Good. Of RFC 7515 appendix A.3.
    static let p256 = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff
        H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp
        7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt
        -----END PRIVATE KEY-----
        """

    static let ed25519 = """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIF+zxr8HAo6mZNaHyB2F/8Q9aOhRpl/TR1TlDO4nIFxT
        -----END PRIVATE KEY-----
        """

    static let p384 = """
        -----BEGIN PRIVATE KEY-----
        MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAAAAAAAAAAAAAAAAAA
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAq1SpjOsfCtKhZANiAATYoX5VuOL0
        e8Np/ZYWaVzic9zk4weDCmX1pKmqiWfJh67qetNlZ3oTv9ZcP+WmaTm9xTVCxSE6
        UTRduoIgq7I8cWWaTYULO7r/jQNb0IpZ6zIJnJapBJ5NfUNc9nVxO8g=
        -----END PRIVATE KEY-----
        """

    static let explicit = """
        -----BEGIN EC PRIVATE KEY-----
        MIIBaAIBAQQgjpsQnnGQmL+YBIffH1136cspYG6+0iY7X1fCE9+E9LKggfowgfcC
        AQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAAAAAAAAAAAAAA////////////////
        MFsEIP////8AAAABAAAAAAAAAAAAAAAA///////////////8BCBaxjXYqjqT57Pr
        vVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSdNgiG5wSTamZ44ROdJreBn36QBEEE
        axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54W
        K84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA//////////+85vqtpxeehPO5ysL8
        YyVRAgEBoUQDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEXH8UTN
        G72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==
        -----END EC PRIVATE KEY-----
        """

    static let mismatched = """
        -----BEGIN EC PRIVATE KEY-----
        MHcCAQEEII6bEJ5xkJi/mASH3x9dd+nLKWBuvtImO19XwhPfhPSyoAoGCCqGSM49
        AwEHoUQDQgAEjlM7b6C/e0YluzBmfAH7YH75+LioD+9bMAYocDGHsqNz6x294DMY
        Nm0Gn4Om9ZAAU8c2M8sEGyHFXhqGwfQAtA==
        -----END EC PRIVATE KEY-----
        """

    static let pss = """
        -----BEGIN PRIVATE KEY-----
        MIIEugIBADALBgkqhkiG9w0BAQoEggSmMIIEogIBAAKCAQEAnJff+mRMBR3nGPlJ
        bJayXu6A3w2C/YEf5TrBeuuW1qLGk24p29HSEKIswCyVaOoGFxW/vz2wy7hB+j4T
        anZ9qyZp5UvwXlQGpFYdcDWp8G2K8q/SX247/3K+IMh3xYNSiRvgETcaMKjTTuYK
        Dx6Vy++nLoVzt834CGLGa4M+PTUuEDp2aHSobBhP8M6d1EsDdViRQcGJxIUcuxuY
        Mojyr8RGz1uqcGf/1wTDtoWUpUn/kpwGTtHFXnjKuP50cFAtMbg6MSbi8jktyRKY
        p60+li4lD/UcYmogQF7R8+Urtm1Md6aOluZi41SrPavSNbuqbgMqu1SeWS94NpMm
        xWvvRQIDAQABAoIBAASztfUSIejl9NR8V8beAjPKd/rUOObUlNB3AGO+OrFlV3Ub
        b7ep5eOqxaJKzgVwUX9L9NIh6UguTrzcNFDHQyAVKxGmVFulAf6U/T+z1mkDwQnN
        jokKgSDUw3XQRqU0kO8VSTGDrFKVMD3MyKQBtzvmr4HFKwGNwzD+VknYsUiJtJJU
        njwR0zwmC/Mn7hDqrZqT1g07J7LD3WlkQW25A4neGAj4YojmMthsukrRGUAYviuu
        HLYaUcZ/hv7qqyXoNaNuPA66DESYVL+iylO+Ww8cgfA2f3tPYDOF+5W11xAEvx1b
        w28TVkSnWvmEBj/qIiy9svs9TfIqoShYG6wsx1kCgYEA3STCOyELUDZtKaeCIn/T
        882Z1LmDt7PEF/5zCXhmf0CrkD2zKhJvi3hEpnCIwX6QlZ3M+fF/mdLEac9ROTof
        AJDiQOi7Hl2RowKWenrQmBOeyuR1b6rEladfw8vMGHiinMaTI97Me+rh6asQyE5V
        e/eUt+SOa22ZwqTCdIhKQs8CgYEAtUZ7ZtAjGYJ2kCCWZ56bOlW9Xv0YofW3pXgM
        f7EF0rf+rFF14fnK3plCgphENaOGYkCAdSeOGMaYlngx7qBgjTOytTdSc/rcr9i9
        dm2lCnigHCuvT19REFE/1bPoKjC4iM6fRf51LA7oTUe8Cu9qNhorq6B/hLzZ183W
        w9MpgasCgYAMxZe2JIVrv4j0c+kvJuTN2tz8jS5PSMGVhSuNq3d39/swnG+hiWkJ
        zAti9XLggffFvFRfRxRQhPy1A7U0Megidzup9gcAjPThTj/0mO09KzzriOBDb8Bk
        yELeowGJlEYH+ev7kV2L9pfPkAKrHuMPAtCDAl87UxwjQrK8Wja3vwKBgBrdBwyF
        a64sF0XkjmVsq7RJYHbjKvNVZpGu6KtDoIlJmwQOTlnemqHCNIkF55XLVe7ZgC/c
        XMJvK82gokWqnqRONP2F5UIquumURP934C1dEt0Z3DD2/xxb7gnNT2pxLeeYNyI4
        Q0T0MJjDOKqmMCc0WaRldIBHPEEuz9TVRiFhAoGAQXjEQQItK9gNNLqflYjHZFXh
        NSpFRDGAJIkCiplDBT6LYnDu0FHDO6IR8NQLxScKDtO0QDXfY/kwcSHdCkAQZY2u
        DaLL5pr7QeJXGOobK51nrdKxKO5mWLPr2pV//I/1s2l9JFsB+jAPQOY7EKgxQ9hB
        XTxsqfEzy004LSLdF4o=
        -----END PRIVATE KEY-----
        """

    static let threePrimes = """
        -----BEGIN PRIVATE KEY-----
        MIIE8wIBADANBgkqhkiG9w0BAQEFAASCBN0wggTZAgEBAoIBAQDB/3gn1rNLQq3l
        6lb8b8PzmUMY9tcztikG41TlgKzBVt1une3qPfxwrgeIWzXGXVqAYYztkBtbZlja
        nmm//V86SN+Wb1gD+/50UoIHwMAGE2R0WrKjzrvZG9NFQ3EPJL7jvcRy58FDLhwZ
        K2eryD66dDpiDtyUVJO+5dtwnBHDz/asFGa67iXF4vAfJPb1sYAxBF/id6Sv0zcL
        Z2C+pHCMi98V8vKRz2e1S6DNkNs4RAkVxBQZzSSnwUZqk464xhnVy8p8W8HYfLvq
        FbSG8oh5E9OgYwNMeK0w9CgDlVsDmSqUd0WSPsnQKYdQlXWQhqrGlktH8bwKfAiN
        aOw/KyrnAgMBAAECggEAJ/uCBRvv2ewFMSSKBv718Me+l2+QTN0XOY8y2RYbBMHl
        Yz3zYdqio4qKjOTXgWmOFHWGeRPBP6YpW+1YODR9IuMQCc4q4q9V8x1qJTTpnpby
        ljR3KsuZt6uz4iKJixHWYkR4QOvc/QxZLdiOdVZsHKKZD7GqllDkD1gGioKgZrf+
        lU+ZLOqfjVfUiSHGsx40AMinz5aOF9S/XnKpPdJB+pk8wUAmbU7XS9gDmHt5HzfH
        9rWlGrxJQ4jgw2UxZLEuQ0uwHlPpSdpebTICd1hKq1HVueSH9tKjspmBO9wHZbZb
        tHvMRKTA/gjZVI/xm+t2dEK2Ji07Jh0p6tODoEX9QQJWB/dEXRupf1s6BFPiy76J
        Cz2ZsI6bZXJ044EoDnsoUHSLN+XsK1Buud2GXcBHOLJP8pwFjXFCOdChaOxMfrJh
        ua9cTcWQ1lNtG60XWb1+UCb1sGdtH9UCVga32DUuL23kMgFk81PHUehgN7tnzTJc
        /n/xhFCW79pljDsvLh7MFryNSXZttyTZrkBZIbNpJvOy+qg9E4vMrjngMh9IFLlS
        /7LyzrAJqwwGJIS/OE5ZAlYFJL9K04q9hl1O4A+IeY4p6OutGlfyyFX7dLE1sIZW
        dPpT7K1zRmtIrmaNcJNMY67Fu8LGEsStai5e/n1iLbJ2YGnced5M1e+UuE5kjrvZ
        614nOpE2xQJWBhQlEoF2suUuhep07RJFv5AH/Y7/sRlJwjSi91SLND578zVOctlR
        nUvt87V0aGh6bYj4oGB9uTXx7XZOEEmkP4Pndjx/W+yIpr9iWxB0b03Dj0WCSgkC
        VgGNeP8Lc8W+2v+9+uNCIc043LPGeOq93epRW3l4K39vW2cyyPqiVb4PpqmDKyT5
        rQ6IeRas1GuG5cbByOGNXsbpfYjtLbmyqXrXHZ1KkMm8TCGCzE+PMIIBDDCCAQgC
        VgOgAx+6W8NFRr2SsL/sK5q0o2TDj8uCpLTzOIQZwm/R7KA76vEnuumoLFWTJATM
        FrezpEPIAWva6lz90CgXsQFrfuEEGarH76wnKtsm6lLwXoxWRezDAlYCGfUVpGtj
        ZDpg1LNfXmHcmdCKLg+icsZWGxRtB52+QpwAOxuz1ks0/gdNSDG+Ei0tKpcTr9Kb
        Gll3tK7BPxKd9xmjCURzytk2G7JtPj7h+3NjuPNqDwJWAybmys+pcy62J5bHPr+E
        8vBcVFeY5inDKAxMcC9NN5EvWIcLkrE9Ur9N7V7ur/SgRSmpouoeYsZRWX+0koKq
        2SUrmZEqFYP/90a/iy57xYYhmbm4vag=
        -----END PRIVATE KEY-----
        """

    static let short = """
        -----BEGIN PRIVATE KEY-----
        MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAOMCH4gu0V3yKORP
        1e/VbqrWkp9nc1C4iNgQti/KjfILKp/3ZLmkkXSM7IqIT1ONDMWRRtWS41Y7+lxX
        AifVmvfwiWJwa8nxc4zLgHVM9O+vje42bWRG9QxHfRdQYIj6u1GDXdFbeuRE/mag
        RfavHQZ6gtgdL0wZbeh5KhbjL87JAgMBAAECgYBucL3+dyiM2B9k1CJ1CBVLMBEt
        VBsaDm0lERxRq+3a7+vQ3381ggbx+Q2raB2PvHOWOtOHXGsVrSBkhEAcOSOmydEt
        Ye0+IM3GjQOgZdCzC5ibS1qwuQJjvuZI6AyJup8jQyGSAidXvVd6Ftg8bplWj/Az
        wueqV/2PDpqU716qAQJBAPbx3cKex5CSTVu4nxoGq800/U0ZCSbZqGExKpd3IX/E
        +mJsJtJ1dr2V2XprfbDPx0WSKS4Auwz+hxgHBy6t9zkCQQDrVRuiHxkyYEX/hCf0
        ridk//SSshIxAeI8OUx5iNDcbbvshfh76CeS6ZFN6oEpCNRgmKeWOVkCGCjq3wKm
        cYQRAkEA5IPxOLYB6pDYMTZpVIYz2VNdy0iNpXvpSvdaeItvXnMDWKzISB0W4l2W
        wKhTyZicyI52uPFIJsAqd1uZk+K8UQJBAKiSWW4DOshUIDANGZXynjOCCU5/kfpa
        8BTVsosoTvxm+oNN4BXZ0WcyOiyG+6hKM99R2lIImFKgvcaoorxZehECQEJwUWsH
        6wNq2G42GL9N0fvpK27UZOai69nPDYO7wzDlD8YLjD2CZ514V50+8UV+NyJJ047V
        LXU2d5lNe8hBpIA=
        -----END PRIVATE KEY-----
        """

    static let wrongExponent = """
        -----BEGIN RSA PRIVATE KEY-----
        MIIEowIBAAKCAQEAofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd/wWJcyQoTbji9k0
        l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL+yRT+SFd2lZS+pC
        gNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb/7OMg0LOL+bSf63kpaSHSX
        ndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uD
        Zlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxXFvUK+DWNmoudF8NAco9/h9iaGNj8
        q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQIDAQABAoIBABKucaRpzQorw35S
        bEUAVx8dYXUdZOlJcHtiWQ+dC6V8ljxAHj/PLyzTveyI5QO/xkObCyjIL303l2cf
        UhPu2MFaJdjVzqACXuOrLot/eSFvxjvqVidTtAZExqFRJ9mylUVAoLvhowVWmC1O
        n95fZCXxTUtxNEG1Xcc7m0rtzJKs45J+N/V9DP1edYH6USyPSWGp6wuA+KgHRnKK
        Vf9GRx80JQY7nVNkL17eHoTWEwga+lwi0FEoW9Y7lDtWXYmKBWhUE+U8PGxlJf8f
        40493HDw1WRQ/aSLoS4QTp3rn7gYgeHEvfJdkkf0UMhlknlo53M09EFPdadQ4TlU
        bjqKc58CgYEA4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH/5IB3jw3bcxGn6QLvnE
        tfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw/Py5PJdTJNPY8cQn7ouZ2KKDcmnPG
        BY5t7yLc1QlQ5xHdwW1VhvKn+nXqhJTBgIPgtldC+KDV5z+y2XDwGUcCgYEAuQPE
        fgmVtjL0Uyyx88GZFF1fOunH3+7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYs
        p1ZSe7zFYHj7C6ul7TjeLQeZD/YwD66t62wDmpe/HlB+TnBA+njbglfIsRLtXlnD
        zQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdcCgYAHAp9XcCSrn8wVkMVkKdb7
        DOX4IKjzdahm+ctDAJN4O/y7OW5FKebvUjdAIt2GuoTZ71iTG+7F0F+lP88jtjP4
        U4qe7VHoewl4MKOfXZKTe+YCS1XbNvfgwJ3Ltyl1OH9hWvu2yza7q+d5PCsDzqtm
        27kxuvULVeya+TEdAB1ijwKBgQCH/3r6YrVH/uCWGy6bzV1nGNOdjKc9tmkfOJmN
        54dxdixdpozCQ6U4OxZrsj3FcOhHBsqAHvX2uuYjagqvo3cOj1TRqNocX40omfCC
        Mx3bD1yPPf/6TI2XECva/ggqEY2mYzmIiA5LVVmc5nrybr+lssFKneeyxN2Wq93S
        0iJMdwKBgCGHewxzoa1r8ZMD0LETNrToK423K377UCYqXfg5XMclbrjPbEC3YI1Z
        NqMtuhdBJqUnBi6tjKMF+34Xf0CUN8ncuXGO2CAYvO8PdyCixHX52ybaDjy1FtCE
        6yUXjoKNXKvUm7MWGsAYH6f4IegOetN5NvmUMFStCSkh7ixZLkN1
        -----END RSA PRIVATE KEY-----
        """
}
