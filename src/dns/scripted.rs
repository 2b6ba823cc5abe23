//! A DNS server inside the test, which answers from a few records or as badly as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_server::proto::op::{Message, Query, ResponseCode};
use hickory_server::proto::rr::rdata::{A, AAAA, CNAME, MX, NS, SOA, TXT};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Answers until it is dropped.
pub(crate) struct ScriptedDns {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Script {
    /// Names without their last dot; one that begins with `*.` stands for all names below the rest.
    records: Vec<(String, RData)>,
    /// Zones, each with its answer to every question, or to those of a kind.
    zones: Vec<(String, Option<RecordType>, Badly)>,
    edns: Edns,
    /// Questions that came, each as `name TYPE`.
    asked: Vec<String>,
}

/// What is said instead of the records.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Badly {
    Say(ResponseCode),
    BeSilent,
    /// The records, so much later.
    BeLate(Duration),
    /// That others know.
    Refer,
    /// That there is no such record, without the zone that says so.
    LackIt,
    /// The same of the name.
    LackTheName,
}

/// What becomes of a question with EDNS.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Edns {
    #[default]
    Understood,
    /// FORMERR, with the question.
    Refused,
    /// FORMERR in a header that says to nothing that it is an answer.
    RefusedInAHeader,
    Swallowed,
}

pub(crate) fn v4(address: &str) -> RData {
    RData::A(A(address.parse().expect("an address")))
}

pub(crate) fn aaaa(address: &str) -> RData {
    RData::AAAA(AAAA(address.parse().expect("an address")))
}

pub(crate) fn mx(host: &str) -> RData {
    RData::MX(MX::new(10, name(host)))
}

pub(crate) fn cname(target: &str) -> RData {
    RData::CNAME(CNAME(name(target)))
}

pub(crate) fn txt(text: &str) -> RData {
    RData::TXT(TXT::new(vec![text.to_owned()]))
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

impl ScriptedDns {
    pub(crate) async fn start(records: &[(&str, RData)]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("it is bound");
        let records = records.iter();
        let script = Arc::new(Mutex::new(Script {
            records: records
                .map(|(owner, data)| ((*owner).to_owned(), data.clone()))
                .collect(),
            ..Script::default()
        }));
        let task = tokio::spawn(answer(Arc::new(socket), Arc::clone(&script)));
        Self {
            address,
            script,
            task,
        }
    }

    /// Answers SERVFAIL in this zone.
    pub(crate) fn failing(self, zone: &str) -> Self {
        self.badly(zone, None, Badly::Say(ResponseCode::ServFail))
    }

    /// Answers nothing in this zone.
    pub(crate) fn silent(self, zone: &str) -> Self {
        self.badly(zone, None, Badly::BeSilent)
    }

    /// Names other servers for this zone.
    pub(crate) fn referring(self, zone: &str) -> Self {
        self.badly(zone, None, Badly::Refer)
    }

    /// Answers badly in this zone, to every question or to those of a kind.
    pub(crate) fn badly(self, zone: &str, kind: Option<RecordType>, how: Badly) -> Self {
        let mut script = self.script.lock().expect("nobody panicked");
        script.zones.push((zone.to_owned(), kind, how));
        drop(script);
        self
    }

    /// Takes questions with EDNS in this way.
    pub(crate) fn with_edns(self, edns: Edns) -> Self {
        self.script.lock().expect("nobody panicked").edns = edns;
        self
    }

    /// Has these records from now on, and answers as if nothing else were known.
    pub(crate) fn change(&self, records: &[(&str, RData)]) {
        let records = records.iter();
        let records = records.map(|(owner, data)| ((*owner).to_owned(), data.clone()));
        let mut script = self.script.lock().expect("nobody panicked");
        script.records = records.collect();
        script.zones.clear();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The questions that came, each as `name TYPE`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.script.lock().expect("nobody panicked").asked.clone()
    }
}

impl Drop for ScriptedDns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(socket: Arc<UdpSocket>, script: Arc<Mutex<Script>>) {
    let mut buffer = [0; 4_096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.expect("it is open");
        let question = Message::from_vec(&buffer[..length]).expect("a question");
        let answer = script.lock().expect("nobody panicked").answer(&question);
        if let Some((answer, wait)) = answer {
            let bytes = answer.to_vec().expect("it can be written");
            let socket = Arc::clone(&socket);
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                // Whoever asked may have gone.
                let _ = socket.send_to(&bytes, from).await;
            });
        }
    }
}

impl Script {
    /// What is said, and how much later.
    fn answer(&mut self, question: &Message) -> Option<(Message, Duration)> {
        let mut wait = Duration::ZERO;
        let query = question.queries.first().expect("a question");
        // Whatever letters it has, as they are.
        let labels = query.name().iter();
        let labels: Vec<_> = labels.map(String::from_utf8_lossy).collect();
        let asked = &*labels.join(".").to_ascii_lowercase();
        self.asked.push(format!("{asked} {}", query.query_type()));

        let metadata = question.metadata;
        let mut answer = Message::response(metadata.id, metadata.op_code);
        answer.add_query(query.clone());
        answer.metadata.recursion_desired = metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        if question.edns.is_some() {
            match self.edns {
                Edns::Understood => {}
                Edns::Swallowed => return None,
                edns => {
                    if matches!(edns, Edns::RefusedInAHeader) {
                        answer.queries.clear();
                    }
                    answer.metadata.response_code = ResponseCode::FormErr;
                    return Some((answer, wait));
                }
            }
        }
        let kind = query.query_type();
        let mut zones = self.zones.iter();
        let is_meant = |of: &Option<RecordType>| of.is_none_or(|of| of == kind);
        let badly = zones.find(|(zone, of, _)| is_within(asked, zone) && is_meant(of));
        match badly.map(|(zone, _, how)| (zone, *how)) {
            Some((_, Badly::BeSilent)) => return None,
            Some((_, Badly::BeLate(by))) => {
                wait = by;
                self.answer_from_records(asked, query, &mut answer);
            }
            Some((_, Badly::Say(code))) => answer.metadata.response_code = code,
            Some((_, Badly::LackIt)) => {}
            Some((_, Badly::LackTheName)) => {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            Some((zone, Badly::Refer)) => {
                let servers = RData::NS(NS(name("ns.elsewhere.example.")));
                let owner = name(&format!("{zone}."));
                answer.add_authority(Record::from_rdata(owner, 60, servers));
            }
            None => self.answer_from_records(asked, query, &mut answer),
        }
        Some((answer, wait))
    }

    fn answer_from_records(&self, asked: &str, query: &Query, answer: &mut Message) {
        let is_owner = |owner: &str| match owner.strip_prefix("*.") {
            Some(zone) => is_within(asked, zone),
            None => owner == asked,
        };
        for (owner, data) in &self.records {
            // RFC 1034 §3.6.2: an alias answers every question.
            let kind = data.record_type();
            if is_owner(owner) && (kind == query.query_type() || kind == RecordType::CNAME) {
                let record = Record::from_rdata(query.name().clone(), 60, data.clone());
                answer.add_answer(record);
            }
        }
        if answer.answers.is_empty() {
            let mut owners = self.records.iter().map(|(owner, _)| owner);
            // RFC 8020: what has a name below it exists.
            if !owners.any(|owner| is_owner(owner) || is_within(owner, asked)) {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            let soa = SOA::new(name("ns."), name("ns."), 1, 3_600, 600, 86_400, 60);
            let owner = name("example.");
            answer.add_authority(Record::from_rdata(owner, 60, RData::SOA(soa)));
        }
    }
}

fn is_within(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
