//! Bodies that arrive by BDAT.
use super::end_of_data::Findings;
#[derive(Debug, Default)]
pub struct BdatNormaliser {}
impl BdatNormaliser {
    pub fn new() -> BdatNormaliser {
        BdatNormaliser::default()
    }
    pub fn decode(&mut self, _input: &[u8], _output: &mut dyn FnMut(&[u8])) {
        unimplemented!()
    }
    /// Adds the final CRLF if it lacks.
    pub fn finish(self, _output: &mut dyn FnMut(&[u8])) -> Findings {
        unimplemented!()
    }
}
