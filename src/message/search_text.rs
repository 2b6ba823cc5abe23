//! Texts that are looked for.

/// What a text asks for: without the blanks around it, and without control characters, which stand in
/// nothing that is looked for.
pub(crate) fn plain(text: &str) -> Result<&str, String> {
    let wanted = text.trim();
    // Some control characters count as blanks; alone they are none.
    let looked_at = if wanted.is_empty() { text } else { wanted };
    if looked_at.chars().any(char::is_control) {
        let shown = text.escape_debug();
        return Err(format!("“{shown}” has a control character"));
    }
    Ok(wanted)
}
