//! xtext, RFC 3461 section 4.
pub fn encode(_text: &str) -> String {
    unimplemented!()
}
/// None: not xtext, or not UTF-8 once decoded.
pub fn decode(_xtext: &str) -> Option<String> {
    unimplemented!()
}
pub fn is_valid(_xtext: &str) -> bool {
    unimplemented!()
}
