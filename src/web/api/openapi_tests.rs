//! The document says what the API does: every route, no other, and answers of the shape it gives.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::web::history_scene;
use crate::web::routes::tests::Face;

const ROUTES: &str = include_str!("../routes.rs");
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// The routes of the API as they stand in the route table: `GET /api/v1/queue`.
fn routed() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (begin, _) in ROUTES.match_indices(".route(") {
        let call = call(&ROUTES[begin + ".route".len()..]);
        let path = call.split('"').nth(1).expect("a route has a path");
        let handlers = call.splitn(3, '"').nth(2).expect("a route has a handler");
        for method in METHODS.iter().filter(|_| path.starts_with("/api/")) {
            let is_named = handlers
                .match_indices(&format!("{method}("))
                .any(|(at, _)| {
                    !handlers[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                });
            if is_named {
                found.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    found
}

/// What stands between the parentheses that `text` begins with.
fn call(text: &str) -> &str {
    let mut depth = 0;
    let end = text.find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    });
    &text[..end.expect("parentheses are closed")]
}

fn documented(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path item").keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect()
}

#[tokio::test]
async fn every_route_is_described_and_no_other() {
    let face = Face::open(Ok(())).await;
    let answer = face
        .ask("192.0.2.7:50000", "GET /api/v1/openapi.json", &[], "")
        .await;
    assert_eq!(answer.status, StatusCode::OK, "it is open to all");
    let document = answer.json();
    let version = document["openapi"].as_str().expect("a version");
    assert!(version.starts_with("3.1"), "{version}");
    assert!(
        routed().len() > 5,
        "the route table is read: {:?}",
        routed()
    );
    assert_eq!(documented(&document), routed());
    // The text of the route table may deceive: ask for each.
    for operation in documented(&document) {
        let (method, path) = operation.split_once(' ').expect("two words");
        let request = format!("{method} {}", path.replace("{id}", "0000000000011"));
        let answer = face.ask("192.0.2.7:50000", &request, &[], "").await;
        let item = &document["paths"][path][method.to_lowercase()];
        let expected = match item["security"][0].get("token") {
            Some(_) => StatusCode::UNAUTHORIZED,
            None => StatusCode::OK,
        };
        assert_eq!(answer.status, expected, "{operation}");
    }
    face.close().await;
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_operation_says_what_it_is() {
    let face = Face::open(Ok(())).await;
    let document = face.call("GET /api/v1/openapi.json", "").await.json();
    let text = document.to_string();
    for (at, _) in text.match_indices("#/components/schemas/") {
        let name = text[at..].split(['"', '/']).nth(3).expect("a name");
        let schema = &document["components"]["schemas"][name];
        assert!(schema.is_object(), "{name} is referred to but missing");
    }
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path item") {
            let said = ["summary", "tags"].map(|field| !operation[field].is_null());
            assert_eq!(said, [true, true], "{method} {path}");
            let id = operation["operationId"].to_string();
            assert!(ids.insert(id.clone()), "{id} stands twice");
        }
    }
    face.close().await;
}

#[tokio::test]
async fn live_answers_fit_their_schemas() {
    let face = Face::open(Ok(())).await;
    let message = history_scene::fill(&face).await;
    let patch = r#"{"memory_threshold_bytes": 1000,
        "next_hops": [{"domain": "example.net", "address": "smtp://127.0.0.1:2600"}]}"#;
    let changed = face.call("PATCH /api/v1/settings", patch).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let document = face.call("GET /api/v1/openapi.json", "").await.json();
    for (path, request) in [
        (
            "/api/v1/statistics/live",
            "/api/v1/statistics/live".to_owned(),
        ),
        ("/api/v1/settings", "/api/v1/settings".to_owned()),
        ("/api/v1/queue", "/api/v1/queue".to_owned()),
        ("/api/v1/messages", "/api/v1/messages".to_owned()),
        (
            "/api/v1/messages/{id}",
            format!("/api/v1/messages/{message}"),
        ),
        ("/api/v1/audit", "/api/v1/audit".to_owned()),
    ] {
        let answer = face.call(&format!("GET {request}"), "").await;
        assert_eq!(answer.status, StatusCode::OK, "{request}");
        let response = &document["paths"][path]["get"]["responses"]["200"];
        let schema = &response["content"]["application/json"]["schema"];
        let value = answer.json();
        if let Some(items) = value.get("items") {
            assert_ne!(items, &json!([]), "{request} shows something");
        }
        assert_eq!(problems(&document, schema, &value), "", "{request}");
    }
    face.close().await;
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

/// What of `value` is not as `schema` says; empty when all is.
fn problems(document: &Value, schema: &Value, value: &Value) -> String {
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
    let mut described = Described::default();
    let parts = schema["allOf"].as_array().into_iter().flatten();
    for part in parts.map(|part| resolved(document, part)).chain([schema]) {
        let properties = part["properties"].as_object().into_iter().flatten();
        described
            .properties
            .extend(properties.map(|(name, schema)| (name.as_str(), schema)));
        let required = part["required"].as_array().into_iter().flatten();
        described
            .required
            .extend(required.filter_map(Value::as_str));
        let others = part
            .get("additionalProperties")
            .filter(|others| others.is_object());
        described.others = described.others.or(others);
    }
    described
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
