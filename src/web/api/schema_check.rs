//! Whether a value has the shape that the OpenAPI document gives it, as far as our document goes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What of `value` is not as `schema` says; empty when all is.
pub(super) fn problems(document: &Value, schema: &Value, value: &Value) -> String {
    let mut found = Vec::new();
    look(document, schema, value, "", &mut found);
    found.join("; ")
}

fn look(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let schema = resolved(document, schema);
    if let Some(choices) = ["oneOf", "anyOf"]
        .iter()
        .find_map(|word| schema[*word].as_array())
    {
        let fits = |choice: &&Value| problems(document, choice, value).is_empty();
        if !choices.iter().any(|choice| fits(&choice)) {
            found.push(format!("{place} is {value}, none of the choices"));
        }
        return;
    }
    let described = described(document, schema);
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ if described.properties.is_empty() => return,
        _ => vec!["object"],
    };
    let allowed = schema["enum"].as_array();
    if !types.iter().any(|wanted| is_of_type(value, wanted))
        || allowed.is_some_and(|allowed| !allowed.contains(value))
    {
        found.push(format!("{place} is {value}, not {types:?}"));
        return;
    }
    match value {
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                look(
                    document,
                    &schema["items"],
                    item,
                    &format!("{place}[{number}]"),
                    found,
                );
            }
        }
        Value::Object(fields) => look_at_fields(document, &described, fields, place, found),
        _ => {}
    }
}

fn look_at_fields(
    document: &Value,
    described: &Described<'_>,
    fields: &Map<String, Value>,
    place: &str,
    found: &mut Vec<String>,
) {
    for name in described
        .required
        .iter()
        .filter(|name| !fields.contains_key(**name))
    {
        found.push(format!("{place}.{name} is missing"));
    }
    for (name, value) in fields {
        let place = format!("{place}.{name}");
        match described
            .properties
            .get(name.as_str())
            .or(described.others.as_ref())
        {
            Some(schema) => look(document, schema, value, &place, found),
            None => found.push(format!("{place} is not described")),
        }
    }
}

/// What a schema and those it is made of say of an object.
#[derive(Default)]
struct Described<'a> {
    properties: BTreeMap<&'a str, &'a Value>,
    required: Vec<&'a str>,
    others: Option<&'a Value>,
}

fn described<'a>(document: &'a Value, schema: &'a Value) -> Described<'a> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let required = schema["required"].as_array().into_iter().flatten();
    let others = schema.get("additionalProperties");
    let mut whole = Described {
        properties: properties
            .map(|(name, schema)| (name.as_str(), schema))
            .collect(),
        required: required.filter_map(Value::as_str).collect(),
        others: others.filter(|others| others.is_object()),
    };
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let part = described(document, resolved(document, part));
        whole.properties.extend(part.properties);
        whole.required.extend(part.required);
        whole.others = whole.others.or(part.others);
    }
    whole
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix('#'))
    {
        Some(path) => document
            .pointer(path)
            .expect("the reference leads somewhere"),
        None => schema,
    }
}

fn is_of_type(value: &Value, wanted: &str) -> bool {
    match wanted {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[test]
fn the_check_finds_what_does_not_fit() {
    let document = json!({"components": {"schemas": {"Named": {"type": "object",
        "required": ["name"], "properties": {"name": {"type": ["string", "null"]}}}}}});
    let named = json!({"$ref": "#/components/schemas/Named"});
    let both = json!({"allOf": [named, {"type": "object", "required": ["age"],
        "properties": {"age": {"type": "integer"}, "kind": {"type": "string", "enum": ["a"]}}}]});
    for (schema, value, expected) in [
        (&named, json!({"name": "x"}), ""),
        (&named, json!({"name": null}), ""),
        (&named, json!({}), "name is missing"),
        (&named, json!({"name": 1}), "name is 1"),
        (
            &named,
            json!({"name": "x", "more": 1}),
            "more is not described",
        ),
        (&named, json!([]), "is []"),
        (&both, json!({"name": "x", "age": 1}), ""),
        (&both, json!({"name": "x", "age": 1.5}), "age is 1.5"),
        (
            &both,
            json!({"name": "x", "age": 1, "kind": "b"}),
            "kind is \"b\"",
        ),
    ] {
        let found = problems(&document, schema, &value);
        let fits = if expected.is_empty() {
            found.is_empty()
        } else {
            found.contains(expected)
        };
        assert!(fits, "{value}: {found}");
    }
}
