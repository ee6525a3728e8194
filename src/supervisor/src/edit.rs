//! A weight in the text of a configuration: everything else stays, comments too.

use std::net::IpAddr;

use toml_edit::{DocumentMut, Item, Table, value};

use crate::hand::ServerName;
use crate::refusal::Refusal;

/// The text with another weight of one server. What it names was found in the configuration
/// that was read from the same text.
///
/// Only the tables that can be meant are read: all of them take longer than the rest of the change.
/// A configuration has no lists of lists, so that without texts of several lines a line begins with a
/// bracket at a table alone.
///
/// # Errors
/// The text has it in a form that is not known here.
pub(crate) fn with_weight(
    text: &str,
    service: &str,
    server: ServerName,
    weight: u16,
) -> Result<String, Refusal> {
    let has_long_texts = ["\"\"\"", "'''"].iter().any(|quotes| text.contains(quotes));
    let headers = text.split_inclusive('\n').scan(0, |end, line| {
        let start = *end;
        *end += line.len();
        Some((start, line))
    });
    let headers = headers.filter(|(_, line)| line.trim_start().starts_with('[') && !has_long_texts);
    let mut tables = headers.peekable();
    let mut is_in_service = false;
    while let Some((start, header)) = tables.next() {
        let end = tables.peek().map_or(text.len(), |(next, _)| *next);
        let (Some(before), Some(table), Some(behind)) =
            (text.get(..start), text.get(start..end), text.get(end..))
        else {
            break;
        };
        let kind: String = header.split(']').next().unwrap_or_default().split_whitespace().collect();
        if kind == "[[service" {
            is_in_service = table.contains(service) && name(&read(table)?) == Some(service);
        } else if kind == "[[service.real_server" && is_in_service {
            let mut document = read(table)?;
            if reweigh(&mut document, server, weight) {
                return Ok(format!("{before}{document}{behind}"));
            }
        }
    }
    Err(Refusal::failed(
        "the server is not written as [[service.real_server]]",
        "change its weight with edit",
    ))
}

fn read(table: &str) -> Result<DocumentMut, Refusal> {
    let untold =
        |error| Refusal::failed(format!("the configuration: {error}"), "change the weight with edit");
    table.parse().map_err(untold)
}

/// Of the one service in it.
fn name(document: &DocumentMut) -> Option<&str> {
    document.get("service")?.as_array_of_tables()?.get(0)?.get("name")?.as_str()
}

/// Gives the one server in it another weight, if it is the one.
fn reweigh(document: &mut DocumentMut, server: ServerName, weight: u16) -> bool {
    let servers = document.get_mut("service").and_then(|service| service.get_mut("real_server"));
    let table = servers.and_then(Item::as_array_of_tables_mut).and_then(|servers| servers.get_mut(0));
    let is_meant = |table: &&mut Table| {
        let port = table.get("port").and_then(Item::as_integer).and_then(|port| u16::try_from(port).ok());
        server.is(addresses(table), port)
    };
    let Some(table) = table.filter(is_meant) else { return false };
    match table.get_mut("weight").and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = i64::from(weight).into();
            *old.decor_mut() = decor;
        }
        None => {
            table.insert("weight", value(i64::from(weight)));
        }
    }
    true
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
    fn the_server_of_the_named_service_is_meant() {
        let other = TEXT.replace("\"ftp\"", "\"ftp-2\"");
        let check = "[service.check]\nkind = \"off\"\n";
        let text = format!("{other}{check}{TEXT}{check}[[allow]]\n");
        let edited =
            with_weight(&text, "ftp", "10.0.0.12".parse().expect("an address"), 3).expect("is there");
        assert_eq!(edited, format!("{other}{check}{TEXT}weight = 3\n{check}[[allow]]\n"));
    }

    #[test]
    fn a_text_of_several_lines_may_hold_what_looks_like_a_table() {
        let text = format!("{TEXT}comment = '''\n[[service]]\n'''\n");
        assert!(with_weight(&text, "ftp", "10.0.0.11".parse().expect("an address"), 1).is_err());
    }

    #[test]
    fn a_server_that_is_not_there_is_an_error() {
        assert!(with_weight(TEXT, "ftp", "10.0.0.13".parse().expect("an address"), 1).is_err());
        assert!(with_weight(TEXT, "www", "10.0.0.11".parse().expect("an address"), 1).is_err());
    }
}
