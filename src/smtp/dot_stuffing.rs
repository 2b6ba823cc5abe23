//! Dot stuffing.
#[derive(Debug, Default)]
pub struct DotStuffer {}
impl DotStuffer {
    pub fn new() -> DotStuffer {
        DotStuffer::default()
    }
    pub fn stuff<'a>(&mut self, _chunk: &'a [u8], _piece: impl FnMut(&'a [u8])) {
        unimplemented!()
    }
    /// ".\r\n", or "\r\n.\r\n" when the content lacks its last CRLF.
    pub fn finish(self) -> &'static [u8] {
        unimplemented!()
    }
}
