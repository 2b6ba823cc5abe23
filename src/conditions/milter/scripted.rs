//! A milter that plays a script, for tests.

use bytes::BytesMut;
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::packet::{Packet, put_packet};
use crate::conditions::service_stream::ServiceStream;

/// What a milter says: a command and its data.
pub(super) type Said = (u8, &'static [u8]);

/// Goes on with everything, unless its script says something else.
#[derive(Clone, Debug)]
pub(super) struct ScriptedMilter {
    agreement: [u32; 3],
    /// Commands that it does not answer.
    unanswered: &'static str,
    /// It falls silent for good when it hears this.
    silent_about: Option<&'static str>,
    /// Its words to the next command of a kind; each is said once.
    script: Vec<(char, Vec<Said>)>,
}

impl ScriptedMilter {
    /// One that agrees to everything and wants everything.
    pub(super) fn new() -> Self {
        Self::agreeing(6, 0xff, 0)
    }

    /// One that answers our offer so.
    pub(super) fn agreeing(version: u32, actions: u32, steps: u32) -> Self {
        Self {
            agreement: [version, actions, steps],
            unanswered: "",
            silent_about: None,
            script: Vec::new(),
        }
    }

    /// It says nothing to these commands.
    pub(super) fn silent(self, unanswered: &'static str) -> Self {
        Self { unanswered, ..self }
    }

    /// It falls silent when it hears of this.
    pub(super) fn silent_about(self, silent_about: &'static str) -> Self {
        Self {
            silent_about: Some(silent_about),
            ..self
        }
    }

    /// It says this to the next command of a kind that has no words yet.
    pub(super) fn says(mut self, command: char, words: &[Said]) -> Self {
        self.script.push((command, words.to_vec()));
        self
    }

    /// Plays until the connection ends; gives the commands that it heard, macros aside, with their data
    /// escaped.
    pub(super) async fn play(mut self, mut stream: impl ServiceStream) -> Vec<String> {
        let mut heard = Vec::new();
        let mut received = BytesMut::new();
        loop {
            let packet = match Packet::take(&mut received).expect("we speak the protocol") {
                Some(packet) => packet,
                None => match stream.read_buf(&mut received).await {
                    Ok(0) | Err(_) => return heard,
                    Ok(_) => continue,
                },
            };
            let hears_of = |part: &str| memmem::find(&packet.data, part.as_bytes()).is_some();
            if self.silent_about.is_some_and(hears_of) {
                std::future::pending::<()>().await;
            }
            let command = char::from(packet.command);
            if command != 'D' {
                heard.push(format!("{command}{}", packet.data.escape_ascii()));
            }
            let mut out = Vec::new();
            for (command, data) in self.answer(command) {
                put_packet(&mut out, command, &data);
            }
            // Who has heard enough does not hear more.
            let _ = stream.write_all(&out).await;
        }
    }

    fn answer(&mut self, command: char) -> Vec<(u8, Vec<u8>)> {
        let scripted = self.script.iter().position(|(of, _)| *of == command);
        if let Some(place) = scripted {
            let (_, words) = self.script.remove(place);
            let words = words.into_iter();
            return words.map(|(said, data)| (said, data.to_vec())).collect();
        }
        match command {
            'O' => {
                let numbers = self.agreement.iter();
                vec![(b'O', numbers.flat_map(|one| one.to_be_bytes()).collect())]
            }
            'D' | 'Q' => Vec::new(),
            other if self.unanswered.contains(other) => Vec::new(),
            _ => vec![(b'c', Vec::new())],
        }
    }
}
