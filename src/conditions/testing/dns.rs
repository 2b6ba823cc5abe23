//! A DNS server inside the test, which answers from a few records or as badly as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hickory_server::proto::op::{Message, Query, ResponseCode};
use hickory_server::proto::rr::rdata::{A, AAAA, MX, NS, SOA, TXT};
use hickory_server::proto::rr::{Name, RData, Record};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Answers until it is dropped.
pub(in crate::conditions) struct ScriptedDns {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Script {
    /// Names without their last dot; one that begins with `*.` stands for all names below the rest.
    records: Vec<(String, RData)>,
    /// Zones, each with its answer to every question.
    zones: Vec<(String, Badly)>,
    /// Questions that came, each as `name TYPE`.
    asked: Vec<String>,
}

#[derive(Clone, Copy)]
enum Badly {
    Fail,
    BeSilent,
    Refer,
}

pub(in crate::conditions) fn v4(address: &str) -> RData {
    RData::A(A(address.parse().expect("an address")))
}

pub(in crate::conditions) fn aaaa(address: &str) -> RData {
    RData::AAAA(AAAA(address.parse().expect("an address")))
}

pub(in crate::conditions) fn mx(host: &str) -> RData {
    RData::MX(MX::new(10, name(host)))
}

pub(in crate::conditions) fn txt(text: &str) -> RData {
    RData::TXT(TXT::new(vec![text.to_owned()]))
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

impl ScriptedDns {
    pub(in crate::conditions) async fn start(records: &[(&str, RData)]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("it is bound");
        let records = records.iter();
        let script = Arc::new(Mutex::new(Script {
            records: records
                .map(|(owner, data)| ((*owner).to_owned(), data.clone()))
                .collect(),
            ..Script::default()
        }));
        let task = tokio::spawn(answer(socket, Arc::clone(&script)));
        Self {
            address,
            script,
            task,
        }
    }

    /// Answers SERVFAIL in this zone.
    pub(in crate::conditions) fn failing(self, zone: &str) -> Self {
        self.badly(zone, Badly::Fail)
    }

    /// Answers nothing in this zone.
    pub(in crate::conditions) fn silent(self, zone: &str) -> Self {
        self.badly(zone, Badly::BeSilent)
    }

    /// Names other servers for this zone.
    pub(in crate::conditions) fn referring(self, zone: &str) -> Self {
        self.badly(zone, Badly::Refer)
    }

    fn badly(self, zone: &str, how: Badly) -> Self {
        let mut script = self.script.lock().expect("nobody panicked");
        script.zones.push((zone.to_owned(), how));
        drop(script);
        self
    }

    pub(in crate::conditions) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The questions that came, each as `name TYPE`.
    pub(in crate::conditions) fn asked(&self) -> Vec<String> {
        self.script.lock().expect("nobody panicked").asked.clone()
    }
}

impl Drop for ScriptedDns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(socket: UdpSocket, script: Arc<Mutex<Script>>) {
    let mut buffer = [0; 4_096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.expect("it is open");
        let question = Message::from_vec(&buffer[..length]).expect("a question");
        let answer = script.lock().expect("nobody panicked").answer(&question);
        if let Some(answer) = answer {
            let bytes = answer.to_vec().expect("it can be written");
            socket.send_to(&bytes, from).await.expect("it is open");
        }
    }
}

impl Script {
    fn answer(&mut self, question: &Message) -> Option<Message> {
        let query = question.queries.first().expect("a question");
        let asked = query.name().to_ascii().to_ascii_lowercase();
        let asked = asked.trim_end_matches('.');
        self.asked.push(format!("{asked} {}", query.query_type()));

        let metadata = question.metadata;
        let mut answer = Message::response(metadata.id, metadata.op_code);
        answer.add_query(query.clone());
        answer.metadata.recursion_desired = metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        let mut zones = self.zones.iter();
        match zones.find(|(zone, _)| is_within(asked, zone)) {
            Some((_, Badly::BeSilent)) => return None,
            Some((_, Badly::Fail)) => answer.metadata.response_code = ResponseCode::ServFail,
            Some((zone, Badly::Refer)) => {
                let servers = RData::NS(NS(name("ns.elsewhere.example.")));
                let owner = name(&format!("{zone}."));
                answer.add_authority(Record::from_rdata(owner, 60, servers));
            }
            None => self.answer_from_records(asked, query, &mut answer),
        }
        Some(answer)
    }

    fn answer_from_records(&self, asked: &str, query: &Query, answer: &mut Message) {
        let is_owner = |owner: &str| match owner.strip_prefix("*.") {
            Some(zone) => is_within(asked, zone),
            None => owner == asked,
        };
        for (owner, data) in &self.records {
            if is_owner(owner) && data.record_type() == query.query_type() {
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
