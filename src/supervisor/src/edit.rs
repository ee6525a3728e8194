//! A weight in the text of a configuration: everything else stays, comments too.

use std::net::IpAddr;

use toml_edit::{DocumentMut, Item, Table, value};

use crate::hand::ServerName;

/// The text with another weight of one server. What it names was found in the configuration
/// that was read from the same text.
///
/// # Errors
/// The text has it in a form that is not known here.
pub(crate) fn with_weight(
    text: &str,
    service: &str,
    server: ServerName,
    weight: u16,
) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error| format!("the configuration: {error}"))?;
    let named = |table: &&mut Table| table.get("name").and_then(Item::as_str) == Some(service);
    let services = document.get_mut("service").and_then(Item::as_array_of_tables_mut);
    let servers = services
        .and_then(|services| services.iter_mut().find(named))
        .and_then(|service| service.get_mut("real_server")?.as_array_of_tables_mut());
    let is_meant = |table: &&mut Table| {
        let port = table.get("port").and_then(Item::as_integer).and_then(|port| u16::try_from(port).ok());
        server.is(addresses(table), port)
    };
    let Some(server) = servers.and_then(|servers| servers.iter_mut().find(is_meant)) else {
        return Err("the server's weight is not written as [[service.real_server]]: edit the file".to_owned());
    };
    match server.get_mut("weight").and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = i64::from(weight).into();
            *old.decor_mut() = decor;
        }
        None => {
            server.insert("weight", value(i64::from(weight)));
        }
    }
    Ok(document.to_string())
}

fn addresses(server: &Table) -> impl Iterator<Item = IpAddr> {
    let list = server.get("addresses").and_then(Item::as_array);
    list.into_iter().flatten().filter_map(|address| address.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# ours
[[service]]
name = \"ftp\" # the farm

[[service.real_server]]
addresses = [\"10.0.0.11\", \"fd21::11\"]
weight = 1   # half a machine

[[service.real_server]]
addresses = [\"10.0.0.12\"]
";

    fn edited(server: &str, weight: u16) -> String {
        with_weight(TEXT, "ftp", server.parse().expect("an address"), weight).expect("is there")
    }

    #[test]
    fn only_the_weight_changes_and_the_comments_stay() {
        assert_eq!(edited("fd21::11", 7), TEXT.replace("weight = 1 ", "weight = 7 "));
    }

    #[test]
    fn a_weight_that_was_not_written_is_added() {
        assert_eq!(edited("10.0.0.12", 0), format!("{TEXT}weight = 0\n"));
    }

    #[test]
    fn a_server_that_is_not_there_is_an_error() {
        assert!(with_weight(TEXT, "ftp", "10.0.0.13".parse().expect("an address"), 1).is_err());
        assert!(with_weight(TEXT, "www", "10.0.0.11".parse().expect("an address"), 1).is_err());
    }
}
