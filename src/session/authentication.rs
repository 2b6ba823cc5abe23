//! AUTH: questions and answers until there are credentials, and what becomes of them (RFC 4954).

use super::connection::SessionEnd;
use super::context::PeerLogin;
use super::conversation::{Conversation, Expected};
use super::stream::Transport;
use crate::accounts::SmtpAuthError;
use crate::limits;
use crate::path::Answering;
use crate::smtp::authentication::{Credentials, SaslStep};
use crate::smtp::reply::Reply;

impl<A: Answering, T: Transport> Conversation<A, T> {
    /// Carries the exchange to its end. When it ends well, the session knows its login.
    pub(super) async fn authenticate(&mut self, mut turn: SaslStep) -> Result<(), SessionEnd> {
        loop {
            turn = match turn {
                SaslStep::Ask(exchange) => {
                    self.say(&exchange.question())?;
                    match self.next_line(Expected::Credentials, None).await? {
                        Ok(line) => exchange.answer(&line),
                        Err(error) => SaslStep::Refuse(error.reply()),
                    }
                }
                SaslStep::Refuse(reply) => return self.say(&reply),
                SaslStep::Check(credentials) => return self.log_in(credentials).await,
            };
        }
    }

    async fn log_in(&mut self, credentials: Credentials) -> Result<(), SessionEnd> {
        let Credentials { name, password } = credentials;
        // Replies to what was pipelined before are not kept waiting for argon2.
        self.connection.flush().await?;
        let address = self.peer.address;
        match self.context.logins.verify(&name, password, address).await {
            Ok(login) => {
                self.context.counters.logins.increment();
                self.peer.login = Some(PeerLogin::Shown(login));
                self.peer.has_lost_login = false;
                self.say(&Reply::AUTHENTICATION_SUCCEEDED)
            }
            Err(SmtpAuthError::Wrong) => {
                self.context.counters.wrong_logins.increment();
                self.refuse_login(&Reply::AUTHENTICATION_FAILED)
            }
            // A guess that nobody looks at is one all the same.
            Err(SmtpAuthError::TooMany) => self.refuse_login(&Reply::TOO_MANY_WRONG_LOGINS),
            Err(SmtpAuthError::Busy(_)) => self.say(&Reply::AUTHENTICATION_UNAVAILABLE),
        }
    }

    /// The client learns what became of this one also when it was the last one.
    fn refuse_login(&mut self, reply: &Reply) -> Result<(), SessionEnd> {
        self.wrong_logins += 1;
        self.write(reply);
        self.count_error(reply)?;
        if self.wrong_logins >= limits::WRONG_LOGINS_PER_SESSION {
            return Err(SessionEnd::Say(Reply::TOO_MANY_ERRORS));
        }
        Ok(())
    }
}
