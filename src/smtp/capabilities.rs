//! Capabilities.
use super::reply::Reply;
use bytes::BufMut;
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// None: SIZE not offered; Some(0): offered without a limit.
    pub size: Option<u64>,
    pub pipelining: bool,
    pub eight_bit_mime: bool,
    pub smtputf8: bool,
    pub enhanced_status_codes: bool,
    pub dsn: bool,
    pub chunking: bool,
    pub starttls: bool,
    /// Upper case; empty: AUTH not offered.
    pub auth: Vec<String>,
}
impl Capabilities {
    pub fn parse(_reply: &Reply) -> Capabilities {
        unimplemented!()
    }
    pub fn write_ehlo(&self, _hostname: &str, _out: &mut impl BufMut) {
        unimplemented!()
    }
    pub fn offers_auth(&self, mechanism: &str) -> bool {
        self.auth.iter().any(|offered| offered == mechanism)
    }
}
