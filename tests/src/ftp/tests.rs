use super::*;

#[test]
fn a_pasv_reply_names_address_and_port() {
    let address = pasv_address("Entering Passive Mode (198,51,100,21,39,16).").expect("valid");
    assert_eq!(address, SocketAddr::from(([198, 51, 100, 21], 10_000)));
}

#[test]
fn a_pasv_reply_without_six_bytes_is_refused() {
    for text in ["Entering Passive Mode", "(1,2,3,4,5)", "(1,2,3,4,5,6,7)", "(1,2,3,4,5,256)", "(,,,,,)"] {
        assert!(pasv_address(text).is_err(), "{text}");
    }
}

#[test]
fn an_epsv_reply_names_a_port() {
    assert_eq!(epsv_port("Entering Extended Passive Mode (|||20000|)").expect("valid"), 20_000);
    for text in ["(|||65536|)", "(||||)", "20000"] {
        assert!(epsv_port(text).is_err(), "{text}");
    }
}

#[test]
fn active_commands_name_the_listening_socket() {
    let v4 = SocketAddr::from(([198, 51, 100, 101], 0x1234));
    let v6: SocketAddr = "[2001:db8:1::101]:5000".parse().expect("valid");
    assert_eq!(active_command(Mode::Port, v4).expect("IPv4"), "PORT 198,51,100,101,18,52");
    assert_eq!(active_command(Mode::Eprt, v4).expect("IPv4"), "EPRT |1|198.51.100.101|4660|");
    assert_eq!(active_command(Mode::Eprt, v6).expect("IPv6"), "EPRT |2|2001:db8:1::101|5000|");
    assert!(active_command(Mode::Port, v6).is_err());
}
