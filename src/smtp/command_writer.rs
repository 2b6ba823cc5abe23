//! Commands to a next hop.
use super::{
    address::{Mailbox, ReversePath},
    command::{BodyType, Notify, Return},
};
use bytes::BufMut;
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailParameters<'a> {
    pub size: Option<u64>,
    pub body: Option<BodyType>,
    pub smtputf8: bool,
    pub ret: Option<Return>,
    pub envelope_id: Option<&'a str>,
}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RcptParameters<'a> {
    pub notify: Option<Notify>,
    pub original_recipient: Option<&'a str>,
}
pub fn ehlo(_out: &mut impl BufMut, _hostname: &str) {
    unimplemented!()
}
pub fn helo(_out: &mut impl BufMut, _hostname: &str) {
    unimplemented!()
}
pub fn mail_from(_out: &mut impl BufMut, _from: &ReversePath, _parameters: &MailParameters<'_>) {
    unimplemented!()
}
pub fn rcpt_to(_out: &mut impl BufMut, _to: &Mailbox, _parameters: &RcptParameters<'_>) {
    unimplemented!()
}
pub fn bdat(_out: &mut impl BufMut, _size: u64, _last: bool) {
    unimplemented!()
}
