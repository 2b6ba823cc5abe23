//! SpamAssassin's spamd, in its own protocol: SPAMC/1.5 asks, SPAMD/1.1 answers.

use bytes::{Buf, Bytes};
use tokio::io::AsyncWriteExt;

use super::super::draft::Draft;
use super::super::draft_reader::DraftReader;
use super::super::service::ServiceError;
use super::super::service_stream::{ServiceStream, answer_to, broke, connect, write_blocks};
use super::super::words;
use super::Opinion;
use crate::settings::conditions::Score;
use crate::settings::service_address::ServiceAddress;

/// Asks about a message, on a connection of its own. The caller bounds how long that may take.
///
/// # Errors
/// In words that follow the service's name.
pub(super) async fn ask(server: &ServiceAddress, draft: &Draft) -> Result<Opinion, ServiceError> {
    let answer = exchange(server, request(draft), draft.reader()).await?;
    read(&answer).map_err(|why| trouble(&answer, why))
}

/// The neutral question: PING; whoever does not know that is shown a message without content.
///
/// # Errors
/// In words that follow the service's name.
pub(super) async fn ask_neutrally(server: &ServiceAddress) -> Result<(), String> {
    let mut trouble = String::new();
    for request in [&b"PING SPAMC/1.5\r\n\r\n"[..], EMPTY_MESSAGE] {
        let answer = exchange(server, request.to_vec(), DraftReader::default());
        trouble = match answer.await {
            Ok(answer) if answer.starts_with(ANSWER) => return Ok(()),
            Ok(answer) => {
                let text = String::from_utf8_lossy(&answer);
                format!("it says “{}”", words::cut(&text))
            }
            Err(trouble) => trouble.to_string(),
        };
    }
    Err(trouble)
}

/// What every answer begins with.
const ANSWER: &[u8] = b"SPAMD/";
const EMPTY_MESSAGE: &[u8] = b"SYMBOLS SPAMC/1.5\r\nContent-length: 0\r\n\r\n";

/// One connection for one question and its answer, which is not empty.
async fn exchange(
    server: &ServiceAddress,
    request: Vec<u8>,
    content: DraftReader,
) -> Result<Vec<u8>, ServiceError> {
    let mut stream = connect(server).await?;
    let sent = send(&mut *stream, request, content).await;
    answer_to(sent, &mut *stream).await
}

/// It is well when it answers in its own words, and has its reasons then.
fn trouble(answer: &[u8], why: String) -> ServiceError {
    match answer.starts_with(ANSWER) {
        true => ServiceError::Message(why),
        false => ServiceError::Service(why),
    }
}

async fn send(
    stream: &mut (dyn ServiceStream + '_),
    request: Vec<u8>,
    mut content: DraftReader,
) -> Result<(), ServiceError> {
    let mut request = Bytes::from(request);
    while let Some(block) = content.next().await.map_err(words::not_shown)? {
        // The request and our Received field in one write: a small one by itself would wait.
        let blocks = std::mem::take(&mut request).chain(block);
        write_blocks(stream, blocks).await?;
    }
    // It reads line by line: without the end, it would wait for the rest of a line that has none.
    Ok(stream.shutdown().await.map_err(broke)?)
}

/// The lines before the message. SYMBOLS is CHECK with the names of the rules that hit.
fn request(draft: &Draft) -> Vec<u8> {
    let length = draft.message().size_bytes();
    let mut request = format!("SYMBOLS SPAMC/1.5\r\nContent-length: {length}\r\n");
    // Whose preferences count. They are the recipient's, so that several recipients have none in common.
    if let [recipient] = draft.envelope.recipients.as_slice() {
        let user = recipient.address.as_str();
        let user = user.replace(|character: char| character.is_control(), "?");
        request.push_str(&format!("User: {user}\r\n"));
    }
    request.push_str("\r\n");
    request.into_bytes()
}

/// `SPAMD/1.1 0 EX_OK`, header fields with `Spam: True ; 7.1 / 5.0` among them, an empty line, and names
/// with commas between them.
fn read(answer: &[u8]) -> Result<Opinion, String> {
    let text = String::from_utf8_lossy(answer);
    let (status, rest) = text.split_once("\r\n").unwrap_or((&text, ""));
    let mut parts = status.splitn(3, ' ');
    let is_spamd = parts.next().is_some_and(|part| part.starts_with("SPAMD/"));
    if !is_spamd || parts.next() != Some("0") {
        return Err(format!("it says “{}”", words::cut(status)));
    }
    let (header, symbols) = rest
        .split_once("\r\n\r\n")
        .ok_or("its answer is cut short")?;
    let field = |wanted: &str| {
        let fields = header.lines().filter_map(|line| line.split_once(':'));
        let mut named = fields.filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        named.next().map(|(_, value)| value.trim())
    };
    // Characters that were replaced above are longer than they were.
    if let Some(length) = field("Content-length")
        && length
            .parse()
            .is_ok_and(|length: usize| symbols.len() < length)
    {
        return Err("its answer is cut short".to_owned());
    }
    let spam = field("Spam").ok_or("its answer has no score")?;
    let (score, required) =
        scores(spam).ok_or_else(|| format!("its score is “{}”", words::cut(spam)))?;
    let symbols: Vec<&str> = symbols
        .split([',', '\r', '\n'])
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    Ok(Opinion {
        score,
        required: Some(required),
        action: None,
        symbols: words::cut(&symbols.join(", ")),
    })
}

/// `True ; 7.1 / 5.0`: whether the second, its own threshold, is reached stands before them.
fn scores(spam: &str) -> Option<(Score, Score)> {
    let (_, scores) = spam.split_once(';')?;
    let (score, required) = scores.split_once('/')?;
    let number = |text: &str| Score::nearest(text.trim().parse().ok()?);
    Some((number(score)?, number(required)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{message, saying};
    use super::*;

    fn check(answer: &str, expected: Result<(&str, &str, &str), &str>) {
        let found = read(answer.as_bytes());
        match (found, expected) {
            (Ok(found), Ok((score, required, symbols))) => {
                assert_eq!(found.score.to_string(), score, "{answer}");
                let found_required = found.required.map(|required| required.to_string());
                assert_eq!(found_required.as_deref(), Some(required), "{answer}");
                assert_eq!(found.symbols, symbols, "{answer}");
                assert_eq!(found.action, None);
            }
            (Err(why), Err(part)) => assert!(why.contains(part), "{answer}: {why}"),
            (found, expected) => panic!("{answer}: {found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn answers_are_read() {
        for (answer, expected) in [
            (
                "SPAMD/1.1 0 EX_OK\r\nContent-length: 9\r\nSpam: True ; 7.1 / 5.0\r\n\r\nGTUBE,A_B",
                Ok(("7.1", "5.0", "GTUBE, A_B")),
            ),
            (
                "SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\nSpam: False ; -0.5 / 5.0\r\n\r\n",
                Ok(("-0.5", "5.0", "")),
            ),
            (
                "SPAMD/1.1 0 EX_OK\r\nspam:True;1000/5\r\n\r\nA\r\n",
                Ok(("1000.0", "5.0", "A")),
            ),
            (
                "SPAMD/1.0 76 Bad header line: (Content-Length mismatch)\r\n",
                Err("it says “SPAMD/1.0 76 Bad header line: (Content-Length mismatch)”"),
            ),
            ("SPAMD/1.1 0 EX_OK\r\nContent-le", Err("cut short")),
            (
                "SPAMD/1.1 0 EX_OK\r\nContent-length: 9\r\nSpam: True ; 7.1 / 5.0\r\n\r\nGTU",
                Err("cut short"),
            ),
            ("SPAMD/1.1 0 EX_OK\r\nX: y\r\n\r\n", Err("no score")),
            (
                "SPAMD/1.1 0 EX_OK\r\nSpam: True ; much / 5.0\r\n\r\n",
                Err("its score is “True ; much / 5.0”"),
            ),
            (
                "SPAMD/1.1 0 EX_OK\r\nSpam: True ; NaN / 5.0\r\n\r\n",
                Err("its score is"),
            ),
            (
                "HTTP/1.1 400 Bad Request\r\n\r\n",
                Err("it says “HTTP/1.1 400"),
            ),
            ("nonsense", Err("it says “nonsense”")),
        ] {
            check(answer, expected);
        }
    }

    #[tokio::test]
    async fn ping_or_an_empty_message_is_answered_by_whoever_is_there() {
        let opinion = "SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\nSpam: False ; 0 / 5\r\n\r\n";
        for (answers, is_there) in [
            (&["SPAMD/1.5 0 PONG\r\n"][..], true),
            (&["", opinion], true),
            (&["what?", opinion], true),
            (&["", ""], false),
            (&["HTTP/1.1 400\r\n\r\n", "HTTP/1.1 400\r\n\r\n"], false),
            (&[], false),
        ] {
            let server = saying(answers).await;
            let found = ask_neutrally(&server).await;
            assert_eq!(found.is_ok(), is_there, "{answers:?}: {found:?}");
        }
    }

    #[tokio::test]
    async fn the_only_recipient_is_the_user() {
        for (recipients, expected) in [
            (
                &["bert@example.net"][..],
                "SYMBOLS SPAMC/1.5\r\nContent-length: 44\r\nUser: bert@example.net\r\n\r\n",
            ),
            (
                &["bert@example.net", "carl@example.net"],
                "SYMBOLS SPAMC/1.5\r\nContent-length: 44\r\n\r\n",
            ),
        ] {
            let message = message(
                "anna@example.org",
                recipients,
                b"Subject: x\r\n\r\nbody\r\n",
            );
            let draft = Draft::of(message).await.expect("readable");
            assert_eq!(String::from_utf8_lossy(&request(&draft)), expected);
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange(answer in any::<Vec<u8>>(), text in any::<String>()) {
            let _ = read(&answer);
            let _ = read(format!("SPAMD/1.1 0 EX_OK\r\n{text}").as_bytes());
            let _ = read(format!("SPAMD/1.1 0 EX_OK\r\nSpam: {text}\r\n\r\n{text}").as_bytes());
        }

        #[test]
        fn scores_are_what_they_were(score in -1_000.0..1_000.0_f64, names in "([A-Z_]{1,9}(,[A-Z_]{1,9}){0,5})?") {
            let length = names.len();
            let answer = format!("SPAMD/1.1 0 EX_OK\r\nContent-length: {length}\r\nSpam: True ; {score:.1} / 5.0\r\n\r\n{names}");
            let opinion = read(answer.as_bytes()).expect("an answer");
            let expected = format!("{score:.1}").parse().ok().and_then(Score::nearest);
            prop_assert_eq!(Some(opinion.score), expected);
            prop_assert_eq!(opinion.symbols, names.replace(',', ", "));
        }
    }
}
