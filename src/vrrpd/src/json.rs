//! JSON, written only: objects and lists in the order in which they are put.

use std::fmt::Display;

/// A document that grows.
#[derive(Debug, Default)]
pub(crate) struct Json {
    text: String,
}

impl Json {
    /// An object; `fill` puts its fields.
    pub(crate) fn object(fill: impl FnOnce(&mut Object<'_>)) -> String {
        let mut json = Json::default();
        json.put_object(fill);
        json.text
    }

    fn put_object(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        self.text.push('{');
        fill(&mut Object { json: self, is_first: true });
        self.text.push('}');
    }

    fn put_text(&mut self, text: &str) {
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                c if c.is_control() => self.text.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => self.text.push(c),
            }
        }
        self.text.push('"');
    }
}

/// The inside of an object.
pub(crate) struct Object<'a> {
    json: &'a mut Json,
    is_first: bool,
}

impl Object<'_> {
    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.is_first) {
            self.json.text.push(',');
        }
        self.json.put_text(key);
        self.json.text.push(':');
    }

    pub(crate) fn text(&mut self, key: &str, value: impl Display) {
        self.key(key);
        self.json.put_text(&value.to_string());
    }

    /// A text, or null.
    pub(crate) fn maybe(&mut self, key: &str, value: Option<impl Display>) {
        self.key(key);
        match value {
            Some(value) => self.json.put_text(&value.to_string()),
            None => self.json.text.push_str("null"),
        }
    }

    pub(crate) fn number(&mut self, key: &str, value: impl Into<i128>) {
        self.key(key);
        self.json.text.push_str(&value.into().to_string());
    }

    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        self.key(key);
        self.json.text.push_str(if value { "true" } else { "false" });
    }

    pub(crate) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        self.json.put_object(fill);
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, key: &str, values: impl Iterator<Item = impl Display>) {
        self.list(key, values, |json, value| json.put_text(&value.to_string()));
    }

    /// A list of objects.
    pub(crate) fn objects<T>(
        &mut self,
        key: &str,
        values: impl Iterator<Item = T>,
        fill: impl Fn(&mut Object<'_>, T),
    ) {
        self.list(key, values, |json, value| json.put_object(|object| fill(object, value)));
    }

    fn list<T>(&mut self, key: &str, values: impl Iterator<Item = T>, put: impl Fn(&mut Json, T)) {
        self.key(key);
        self.json.text.push('[');
        for (number, value) in values.enumerate() {
            if number > 0 {
                self.json.text.push(',');
            }
            put(self.json, value);
        }
        self.json.text.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json() {
        let text = Json::object(|object| {
            object.text("name", "a \"quoted\"\\ \n name");
            object.number("count", 18_446_744_073_709_551_615_u64);
            object.flag("is", true);
            object.maybe("none", None::<&str>);
            object.texts("list", ["a", "b"].iter());
            object.objects("objects", [1_u8, 2].into_iter(), |object, value| object.number("n", value));
            object.object("empty", |_| {});
        });
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["name"], "a \"quoted\"\\ \n name");
        assert_eq!(value["count"], u64::MAX);
        assert_eq!(value["objects"][1]["n"], 2);
        assert!(value["none"].is_null());
    }
}
