//! Antivirus: clamd is shown the message (INSTREAM) and says whether it knows what is in it.

use bytes::Buf;
use tokio::io::AsyncWriteExt;

use super::check::{CheckFn, Concerns, ConditionCheck, MessageCheck};
use super::draft_reader::DraftReader;
use super::header::Field;
use super::service::ServiceError;
use super::service_stream::{ServiceStream, answer_to, broke, connect, write_blocks};
use super::verdict::{CheckAnswer, CheckVerdict, Edit};
use super::words;
use crate::settings::conditions::WhenFound;
use crate::settings::service_address::ServiceAddress;
use crate::smtp::reply::Reply;

/// The field that tags an infected message.
const TAG: &str = "X-Virus-Found";

pub(super) const CHECK: ConditionCheck = ConditionCheck {
    concerns: Concerns::All,
    tags: &[TAG],
    run: CheckFn::Message(|asked| Box::pin(check(asked))),
};

/// Has clamd look at the message until the deadline.
async fn check(asked: MessageCheck<'_>) -> CheckVerdict {
    let settings = &asked.settings.antivirus;
    let Some(server) = &settings.server else {
        return CheckVerdict::of(CheckAnswer::CannotTell, "no server is set");
    };
    let clamd = &asked.conditions.antivirus;
    let service = clamd.at(server, settings.connections_max);
    let question = scan(server, asked.draft.reader());
    let asker = asked.asker(settings.when_unavailable);
    let finding = service.ask(asker, question, scan_nothing(server));
    match finding.await {
        Ok(ScanResult::Clean) => CheckVerdict::pass(),
        Ok(ScanResult::Infected(name)) => found(settings.when_found, &name),
        Err(no_answer) => CheckVerdict::without(no_answer),
    }
}

fn found(policy: WhenFound, name: &str) -> CheckVerdict {
    let sentence = format!("{name} found");
    match policy {
        WhenFound::Refuse => {
            let reply = Reply::refused_by_condition(format!("Refused: malware ({name})"));
            CheckVerdict::of(CheckAnswer::Refuse(reply), sentence)
        }
        WhenFound::Quarantine => CheckVerdict::of(CheckAnswer::Quarantine, sentence),
        WhenFound::Tag => {
            let tag = Edit::Prepend(Field::new(TAG, name));
            CheckVerdict::with(vec![tag], sentence)
        }
    }
}

/// What clamd says of a message.
#[derive(Debug, PartialEq, Eq)]
enum ScanResult {
    Clean,
    Infected(String),
}

/// The neutral question: a message without content. It goes the way of all messages through clamd, which
/// answers a PING even when all its scanners hang.
async fn scan_nothing(server: &ServiceAddress) -> Result<(), String> {
    match scan(server, DraftReader::default()).await {
        Ok(_) | Err(ServiceError::Message(_)) => Ok(()),
        Err(ServiceError::Service(why) | ServiceError::NotShown(why)) => Err(why),
    }
}

/// One connection a message: clamd closes it behind the answer.
async fn scan(server: &ServiceAddress, content: DraftReader) -> Result<ScanResult, ServiceError> {
    let mut stream = connect(server).await?;
    let sent = send(&mut *stream, content).await;
    read(&answer_to(sent, &mut *stream).await?)
}

/// clamd(8): each chunk behind its length, four bytes in network order; one of length zero ends.
async fn send(
    stream: &mut (dyn ServiceStream + '_),
    mut content: DraftReader,
) -> Result<(), ServiceError> {
    let mut before: &[u8] = b"zINSTREAM\0";
    while let Some(block) = content.next().await.map_err(words::not_shown)? {
        let Ok(length) = u32::try_from(block.len()) else {
            let why = "a block is too large for it".to_owned();
            return Err(ServiceError::NotShown(why));
        };
        if length == 0 {
            continue;
        }
        // Length and chunk in one write: a small one by itself would wait for the one before.
        let length = length.to_be_bytes();
        let chunk = before.chain(&length[..]).chain(block);
        write_blocks(stream, chunk).await?;
        before = b"";
    }
    let end = before.chain(&[0; 4][..]);
    write_blocks(stream, end).await?;
    Ok(stream.flush().await.map_err(broke)?)
}

/// `stream: OK`, `stream: NAME FOUND`, or something that is neither.
fn read(answer: &[u8]) -> Result<ScanResult, ServiceError> {
    let text = String::from_utf8_lossy(answer);
    let text = text.trim_end_matches(['\0', '\n']);
    let said = text.strip_prefix("stream: ").unwrap_or(text);
    match said.strip_suffix(" FOUND") {
        Some(name) => Ok(ScanResult::Infected(words::cut(name))),
        None if said == "OK" => Ok(ScanResult::Clean),
        None => {
            let why = format!("it says “{}”", words::cut(said));
            // It is well, and has its reasons: the message is too large for it, say.
            Err(match said.ends_with(" ERROR") {
                true => ServiceError::Message(why),
                false => ServiceError::Service(why),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::draft::Draft;
    use super::super::testing::{message, saying, tools};
    use super::*;
    use crate::limits;
    use crate::message::{Body, Message, Reservation};

    #[test]
    fn answers_are_read() {
        for (answer, expected) in [
            ("stream: OK\0", Ok(ScanResult::Clean)),
            ("stream: OK\n", Ok(ScanResult::Clean)),
            (
                "stream: Eicar-Test-Signature FOUND\0",
                Ok(ScanResult::Infected("Eicar-Test-Signature".into())),
            ),
            ("stream: OK FOUND\0", Ok(ScanResult::Infected("OK".into()))),
            (
                "INSTREAM size limit exceeded. ERROR\0",
                Err("message: it says “INSTREAM size limit exceeded. ERROR”".to_owned()),
            ),
            ("nonsense", Err("it says “nonsense”".to_owned())),
            ("NOT OK", Err("it says “NOT OK”".to_owned())),
        ] {
            let found = read(answer.as_bytes()).map_err(|trouble| match trouble {
                ServiceError::Message(why) => format!("message: {why}"),
                ServiceError::Service(why) | ServiceError::NotShown(why) => why,
            });
            assert_eq!(found, expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn whoever_answers_to_an_empty_message_is_there() {
        for (answers, is_there) in [
            (&["stream: OK\0"][..], true),
            (&["INSTREAM size limit exceeded. ERROR\0"], true),
            (&["stream: Broken.Signature FOUND\0"], true),
            (&["HTTP/1.1 400 Bad Request\r\n"], false),
            (&[""], false),
            (&[], false),
        ] {
            let found = scan_nothing(&saying(answers).await).await;
            assert_eq!(found.is_ok(), is_there, "{answers:?}: {found:?}");
        }
    }

    /// What we cannot read, the service has not seen: nobody waits for its answer.
    #[tokio::test]
    async fn a_message_that_cannot_be_read_is_not_shown() {
        let (_directory, tools) = tools();
        let plain = message("anna@example.org", &["bert@example.net"], b"");
        // A file that has lost its end.
        let file = tools.spool.create(plain.id).await.expect("a file");
        let mut content = b"Subject: x\r\n\r\n".to_vec();
        content.resize(limits::SPOOL_BLOCK_BYTES, b'x');
        let written = file.write_at(vec![content.into()], 0).await;
        written.expect("there is room");
        let body = Body::in_file(file, 1 << 20, None, Reservation::empty(tools.budget));
        let cut = Message {
            body: Arc::new(body),
            ..(*plain).clone()
        };
        let draft = Draft::of(Arc::new(cut)).await.expect("its header is there");
        let server = saying(&["stream: OK\0"]).await;
        let scanned = scan(&server, draft.reader()).await;
        assert!(
            matches!(scanned, Err(ServiceError::NotShown(_))),
            "{scanned:?}"
        );
    }

    #[test]
    fn what_is_found_is_dealt_with_as_set() {
        let refused = found(WhenFound::Refuse, "Eicar");
        let CheckAnswer::Refuse(reply) = refused.answer else {
            panic!("it is refused");
        };
        assert_eq!(reply.to_string(), "554 5.7.1 Refused: malware (Eicar)");
        assert!(matches!(
            found(WhenFound::Quarantine, "Eicar").answer,
            CheckAnswer::Quarantine
        ));
        let tagged = found(WhenFound::Tag, "Eicar");
        let field = Field::new(TAG, "Eicar");
        assert_eq!(tagged.edits, [Edit::Prepend(field)]);
    }
}
