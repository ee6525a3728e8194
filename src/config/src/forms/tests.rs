use super::*;

fn read<T: Form + fmt::Display>(text: &str) -> Result<std::string::String, FormError> {
    T::read(text).map(|value| std::string::ToString::to_string(&value))
}

#[test]
fn texts_read_and_write_back_as_the_same() {
    type Read = fn(&str) -> Result<std::string::String, FormError>;
    let cases: [(&str, Read, &str, Result<&str, FormError>); 26] = [
        ("an IPv4 link address", read::<LinkAddress>, "192.0.2.2/24", Ok("192.0.2.2/24")),
        (
            "an IPv6 link address in its shortest form",
            read::<LinkAddress>,
            "2001:DB8:0::2/64",
            Ok("2001:db8::2/64"),
        ),
        ("a link address without length", read::<LinkAddress>, "192.0.2.2", Err(FormError::NoPrefixLength)),
        (
            "a length beyond IPv4",
            read::<LinkAddress>,
            "192.0.2.2/33",
            Err(FormError::PrefixLength { longest: 32 }),
        ),
        (
            "a length beyond IPv6",
            read::<LinkAddress>,
            "fd21::2/129",
            Err(FormError::PrefixLength { longest: 128 }),
        ),
        (
            "a length with a sign",
            read::<LinkAddress>,
            "fd21::2/+4",
            Err(FormError::PrefixLength { longest: 128 }),
        ),
        ("a group", read::<LinkAddress>, "224.0.0.18/24", Err(FormError::Unusable)),
        ("loopback", read::<IpAddr>, "::1", Err(FormError::Unusable)),
        ("unspecified", read::<IpAddr>, "0.0.0.0", Err(FormError::Unusable)),
        ("IPv4-mapped", read::<IpAddr>, "::ffff:192.0.2.1", Err(FormError::Unusable)),
        ("with a zone", read::<IpAddr>, "fe80::1%eth0", Err(FormError::Address)),
        ("no address", read::<IpAddr>, "director", Err(FormError::Address)),
        ("a network", read::<Prefix>, "10.0.0.0/8", Ok("10.0.0.0/8")),
        ("all of IPv6", read::<Prefix>, "::/0", Ok("::/0")),
        ("one host as a network", read::<Prefix>, "fd21::1/128", Ok("fd21::1/128")),
        ("a range", read::<PortRange>, "10000-20000", Ok("10000-20000")),
        ("one port as a range", read::<PortRange>, "21", Ok("21")),
        ("a range of one port", read::<PortRange>, "21-21", Ok("21")),
        ("a backward range", read::<PortRange>, "2-1", Err(FormError::BackwardRange)),
        ("port 0", read::<PortRange>, "0-1", Err(FormError::Port)),
        ("a port above 65535", read::<PortRange>, "65536", Err(FormError::Port)),
        ("a protocol with a port", read::<FlowProtocol>, "udp/53", Ok("udp/53")),
        ("a protocol with a range", read::<FlowProtocol>, "tcp/8000-8080", Ok("tcp/8000-8080")),
        ("ping", read::<FlowProtocol>, "icmp", Ok("icmp")),
        ("a protocol without port", read::<FlowProtocol>, "tcp", Err(FormError::Protocol)),
        ("ping with a port", read::<FlowProtocol>, "icmp/8", Err(FormError::Protocol)),
    ];
    for (rule, read, text, wanted) in cases {
        assert_eq!(read(text), wanted.map(std::string::String::from), "{rule}: {text}");
    }
}

#[test]
fn a_network_with_host_bits_is_refused_with_the_one_that_was_meant() {
    let Err(error) = Prefix::read("10.0.0.1/24") else { panic!("it was read") };
    assert_eq!(
        std::string::ToString::to_string(&error),
        "bits are set behind the prefix, the network is 10.0.0.0/24"
    );
}

#[test]
fn durations_read_and_write_back_in_the_largest_whole_unit() {
    let cases = [
        ("100ms", Some("100ms")),
        ("1000ms", Some("1s")),
        ("2s", Some("2s")),
        ("120s", Some("2m")),
        ("10m", Some("10m")),
        ("24h", Some("24h")),
        ("0s", Some("0s")),
        ("1.5s", None),
        ("10", None),
        ("s", None),
        ("-1s", None),
        ("1 s", None),
        ("1d", None),
        ("99999999999999999999s", None),
        ("18446744073709551615h", None),
    ];
    for (text, wanted) in cases {
        let read = Duration::read(text).ok().map(|value| std::string::ToString::to_string(&Spelled(value)));
        assert_eq!(read.as_deref(), wanted, "{text}");
    }
}

#[test]
fn a_network_holds_its_own_addresses_and_no_others() {
    let cases = [
        ("192.0.2.0/24", "192.0.2.255", true),
        ("192.0.2.0/24", "192.0.3.0", false),
        ("0.0.0.0/0", "255.1.2.3", true),
        ("0.0.0.0/0", "fd21::1", false),
        ("::/0", "10.0.0.1", false),
        ("fd21::/64", "fd21::ffff:1", true),
        ("fd21::/64", "fd21:0:0:1::1", false),
        ("fd21::1/128", "fd21::1", true),
    ];
    for (network, address, wanted) in cases {
        let network = Prefix::read(network).unwrap_or_else(|error| panic!("{network}: {error}"));
        let address = address.parse().unwrap_or_else(|error| panic!("{address}: {error}"));
        assert_eq!(network.contains(address), wanted, "{network} {address}");
    }
}

#[test]
fn names_and_devices_keep_to_their_characters_and_length() {
    type Hostname = String<{ limits::HOSTNAME_BYTES }>;
    type Pci = String<12>;
    let cases: [(&str, bool, bool); 22] = [
        ("a name with every kind of character", Name::read("A-b_c.1").is_ok(), true),
        ("an empty name", Name::read("").is_ok(), false),
        ("a name with a space", Name::read("a b").is_ok(), false),
        ("a name with a quote", Name::read("a\"b").is_ok(), false),
        ("the longest name", Name::read(&"x".repeat(32)).is_ok(), true),
        ("a longer name", Name::read(&"x".repeat(33)).is_ok(), false),
        ("the longest device", Device::read(&"x".repeat(15)).is_ok(), true),
        ("a longer device", Device::read(&"x".repeat(16)).is_ok(), false),
        ("a device that is a path", Device::read("../eth0").is_ok(), false),
        ("a device that is a directory", Device::read("..").is_ok(), false),
        ("a host name", Hostname::read("director-a").is_ok(), true),
        ("a host name with a domain", Hostname::read("a.example").is_ok(), false),
        ("a host name that starts with a dash", Hostname::read("-a").is_ok(), false),
        ("a host name of 64", Hostname::read(&"x".repeat(64)).is_ok(), false),
        ("a PCI address", Pci::read("0000:01:00.0").is_ok(), true),
        ("a PCI address without domain", Pci::read("01:00.0").is_ok(), false),
        ("a MAC address", <[u8; 6]>::read("52:54:00:12:34:56").is_ok(), true),
        ("a MAC address with dashes", <[u8; 6]>::read("52-54-00-12-34-56").is_ok(), true),
        ("a MAC address of five octets", <[u8; 6]>::read("52:54:00:12:34").is_ok(), false),
        ("a MAC address of seven octets", <[u8; 6]>::read("52:54:00:12:34:56:78").is_ok(), false),
        ("a group MAC address", <[u8; 6]>::read("01:00:5e:00:00:12").is_ok(), false),
        ("no MAC address", <[u8; 6]>::read("00:00:00:00:00:00").is_ok(), false),
    ];
    for (rule, found, wanted) in cases {
        assert_eq!(found, wanted, "{rule}");
    }
}

#[test]
fn a_password_is_a_hash_that_login_can_check() {
    type Password = String<{ limits::PASSWORD_BYTES }>;
    let (long, short) = ("h".repeat(86), "h".repeat(43));
    let cases = [
        ("SHA-512 crypt", format!("$6$salt${long}"), true),
        ("SHA-512 crypt with rounds", format!("$6$rounds=5000$salt$0123456789./{}", &long[12..]), true),
        ("SHA-256 crypt", format!("$5$salt${short}"), true),
        ("the longest", format!("$6$rounds=1000000${}${long}", "s".repeat(16)), true),
        ("rounds that would shut the console", format!("$6$rounds=1000001$salt${long}"), false),
        ("rounds that are no number", format!("$6$rounds=x$salt${long}"), false),
        ("no salt", format!("$6$$$${long}"), false),
        ("a salt that is too long", format!("$6${}${long}", "s".repeat(17)), false),
        ("a hash of the other method", format!("$5$salt${long}"), false),
        ("a hash that is cut off", format!("$6$salt${}", &long[1..]), false),
        ("a colon, which would end the field in shadow(5)", format!("$6$s:t${long}"), false),
        ("another method", format!("$y$j9T$salt${short}"), false),
        ("the password itself", "secret".into(), false),
        ("nothing", std::string::String::new(), false),
    ];
    for (rule, text, wanted) in cases {
        assert_eq!(Password::read(&text).is_ok(), wanted, "{rule}");
    }
}
