//! From the parsed TOML to the serde mirror, one table at a time.
//!
//! Tables are deserialised singly because a whole nested configuration would need megabytes of
//! stack. Every table contributes all its unknown and missing keys and its first type error.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::fields::{self, Absent, TableDoc, key_of};
use crate::finding::Log;
use crate::forms::FormError;
use crate::raw::{At, Raw, RawTop, ServiceEntry, Span};

type Value<'i> = At<DeValue<'i>>;

/// Reads all tables; what is wrong with them goes to the log.
pub(crate) fn read(root: &DeTable<'_>, log: &mut Log) -> Raw {
    let mut reader = Reader { log };
    reader.top(root);
    Raw {
        system: reader.single(root, "system").map(At::into_inner).unwrap_or_default(),
        interfaces: reader.many(root, "interface"),
        routes: reader.many(root, "route"),
        virtual_routers: reader.many(root, "virtual_router"),
        sync_groups: reader.many(root, "sync_group"),
        sync: reader.single(root, "sync"),
        egress: reader.many(root, "egress"),
        allow: reader.many(root, "allow"),
        timeouts: reader.single(root, "timeouts").map(At::into_inner).unwrap_or_default(),
        management: reader.single(root, "management"),
        time: reader.single(root, "time").map(At::into_inner).unwrap_or_default(),
        syslog: reader.many(root, "syslog"),
        services: reader.services(root),
    }
}

struct Reader<'l> {
    log: &'l mut Log,
}

impl Reader<'_> {
    fn top(&mut self, root: &DeTable<'_>) {
        let table = describe("");
        if self.check_keys(root, &(0..0), table) {
            let own = without_tables(root, table);
            let _schema: Option<At<RawTop>> = self.deserialize(At::new(0..0, DeValue::Table(own)));
        }
    }

    fn services(&mut self, root: &DeTable<'_>) -> Vec<ServiceEntry> {
        let mut services = Vec::new();
        for value in self.entries(root, "service") {
            let service = self.table(value, "service");
            let DeValue::Table(inner) = value.get_ref() else { continue };
            let real_servers = self.many(inner, "service.real_server");
            let check = self.single(inner, "service.check");
            if let Some(service) = service {
                services.push(ServiceEntry { service: Box::new(service), real_servers, check });
            }
        }
        services
    }

    fn many<T: DeserializeOwned>(&mut self, parent: &DeTable<'_>, path: &str) -> Vec<At<T>> {
        self.entries(parent, path).iter().filter_map(|value| self.table(value, path)).collect()
    }

    fn single<T: DeserializeOwned>(&mut self, parent: &DeTable<'_>, path: &str) -> Option<At<T>> {
        let key = key_of(path);
        let value = parent.get(key)?;
        if value.get_ref().is_array() {
            self.log
                .error(value.span(), format_args!("there is only one {key}"))
                .mend(format_args!("write [{path}] with single brackets, once"));
            return None;
        }
        self.table(value, path)
    }

    fn entries<'t, 'i>(&mut self, parent: &'t DeTable<'i>, path: &str) -> &'t [Value<'i>] {
        let key = key_of(path);
        match parent.get(key).map(|value| (value.span(), value.get_ref())) {
            None => &[],
            Some((_, DeValue::Array(entries))) => entries,
            Some((span, _)) => {
                self.log
                    .error(span, format_args!("there may be several of {key}, so it is a list"))
                    .mend(format_args!("write [[{path}]] with double brackets"));
                &[]
            }
        }
    }

    fn table<T: DeserializeOwned>(&mut self, value: &Value<'_>, path: &str) -> Option<At<T>> {
        let description = describe(path);
        let DeValue::Table(table) = value.get_ref() else {
            self.log
                .error(value.span(), format_args!("{} is a table", key_of(path)))
                .mend(format_args!("write its fields below a line with {}", description.header()));
            return None;
        };
        let is_complete = self.check_keys(table, &value.span(), description);
        let own = without_tables(table, description);
        is_complete.then(|| self.deserialize(At::new(value.span(), DeValue::Table(own)))).flatten()
    }

    /// Notes every unknown and every missing key; whether none is missing.
    fn check_keys(&mut self, table: &DeTable<'_>, span: &Span, description: &'static TableDoc) -> bool {
        for key in table.keys() {
            if !description.keys().any(|known| known == key.get_ref().as_ref()) {
                self.log.error(key.span(), "no such field is known here").unknown_key(description);
            }
        }
        let mut is_complete = true;
        for field in description.fields {
            if field.absent == Absent::Refused && !table.contains_key(field.name) {
                self.log.error(span.clone(), "it is missing").missing(field.name);
                is_complete = false;
            }
        }
        for field in description.inline_tables() {
            if let Some(value) = table.get(field.key())
                && let DeValue::Table(inner) = value.get_ref()
            {
                is_complete &= self.check_keys(inner, &value.span(), field);
            }
        }
        is_complete
    }

    fn deserialize<T: DeserializeOwned>(&mut self, value: Value<'_>) -> Option<At<T>> {
        let span = value.span();
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(table) => Some(At::new(span, table)),
            Err(error) => {
                let place = error.span().unwrap_or(span);
                let draft = self.log.error(place, plain(error.message())).allowed_by_reference();
                if error.message() == FormError::UnknownWord.to_string() {
                    draft.mend_by_nearest_word();
                }
                None
            }
        }
    }
}

fn describe(path: &str) -> &'static TableDoc {
    fields::table(path).expect("the reader asks for tables of the reference only")
}

/// Serde's words for a wrong type, in the file's words; other messages are already.
fn plain(message: &str) -> Cow<'_, str> {
    let prefixes = ["invalid type: ", "invalid value: "];
    let rest = prefixes.iter().find_map(|prefix| message.strip_prefix(prefix));
    let Some((given, wanted)) = rest.and_then(|rest| rest.rsplit_once(", expected ")) else {
        return Cow::Borrowed(message);
    };
    let given = match given {
        "map" => "a table",
        "sequence" => "a list",
        other => other,
    };
    let wanted = match wanted {
        "a sequence" => "a list in [ ]",
        "a boolean" => "true or false",
        structure if structure.starts_with("struct ") => "a table",
        other => other,
    };
    Cow::Owned(format!("{given} stands here, wanted is {wanted}"))
}

/// The table's known fields, without the tables that are read on their own.
fn without_tables<'i>(table: &DeTable<'i>, description: &TableDoc) -> DeTable<'i> {
    let mut own = DeTable::new();
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let inline = description.inline_tables().find(|table| table.key() == name);
        match (inline, value.get_ref()) {
            (Some(inline), DeValue::Table(inner)) => {
                let inner = DeValue::Table(without_tables(inner, inline));
                own.insert(key.clone(), At::new(value.span(), inner));
            }
            (Some(_), _) => {
                own.insert(key.clone(), value.clone());
            }
            (None, _) if description.fields.iter().any(|field| field.name == name) => {
                own.insert(key.clone(), value.clone());
            }
            (None, _) => {}
        }
    }
    own
}
