//! Long lists in the audit: what came and what went, not all that stayed.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::limits;

/// Puts what was removed, and what was added, in the place of two long lists that differ, wherever they
/// are in `before` and `after`. A change of one entry among fifty thousand would be noted with all of
/// them, twice.
pub(super) fn shorten(before: &mut Value, after: &mut Value) {
    match (&mut *before, &mut *after) {
        (Value::Object(before), Value::Object(after)) => {
            for (part, before) in before {
                if let Some(after) = after.get_mut(part) {
                    shorten(before, after);
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            if old.len().max(new.len()) <= limits::AUDITED_ENTRIES {
                return;
            }
            let (removed, added) = (without(old, new), without(new, old));
            let is_reordered = removed.is_empty() && added.is_empty() && old != new;
            let shortened = (
                json!({"entries": old.len(), "removed": removed}),
                json!({"entries": new.len(), "added": added}),
            );
            (*before, *after) = shortened;
            if is_reordered {
                after["order"] = "another".into();
            }
        }
        _ => {}
    }
}

/// The entries of a list that another does not have, each as often as it has it less.
fn without(list: &[Value], other: &[Value]) -> Vec<Value> {
    let mut left: HashMap<&Value, usize> = HashMap::new();
    for entry in other {
        *left.entry(entry).or_default() += 1;
    }
    let mut missing = Vec::new();
    for entry in list {
        match left.get_mut(entry) {
            Some(count) if *count > 0 => *count -= 1,
            _ => missing.push(entry.clone()),
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &Value, after: &Value, expected: (Value, Value)) {
        let (mut was, mut is) = (before.clone(), after.clone());
        shorten(&mut was, &mut is);
        assert_eq!((was, is), expected, "{before} to {after}");
    }

    #[test]
    fn of_long_lists_only_the_difference_is_kept() {
        let short = (json!(["a"]), json!(["a", "b"]));
        check(&short.0, &short.1, short.clone());
        let list = |numbers: &[usize]| -> Vec<Value> {
            numbers
                .iter()
                .map(|number| json!({"domain": format!("{number}.example")}))
                .collect()
        };
        let most = limits::AUDITED_ENTRIES;
        let long: Vec<usize> = (0..=most).collect();
        let longer: Vec<usize> = (1..=most).chain([most + 7, most + 7]).collect();
        let noted = (
            json!({"entries": most + 1, "removed": list(&[0])}),
            json!({"entries": most + 2, "added": list(&[most + 7, most + 7])}),
        );
        let (before, after) = (json!(list(&long)), json!(list(&longer)));
        check(&before, &after, noted.clone());
        // Within an object, beside what is as it was.
        check(
            &json!({"enabled": true, "domains": before}),
            &json!({"enabled": false, "domains": after}),
            (
                json!({"enabled": true, "domains": noted.0}),
                json!({"enabled": false, "domains": noted.1}),
            ),
        );
        let backwards: Vec<usize> = (0..=most).rev().collect();
        check(
            &before,
            &json!(list(&backwards)),
            (
                json!({"entries": most + 1, "removed": []}),
                json!({"entries": most + 1, "added": [], "order": "another"}),
            ),
        );
    }
}
