//! rspamd, with a rule of the scenes' own and no other: it asks nobody.

use std::net::SocketAddr;

use tokio::process::Command;

use super::{Door, Service, place, write};
use crate::support::peers::{ReservedPort, program};

/// A subject says what the message is worth, "worth 7 points", or "try later".
const RULES: &str = "
rspamd_config:register_symbol({
    name = 'SUBJECT_WORTH',
    type = 'normal',
    score = 1.0,
    callback = function(task)
        local subject = task:get_subject() or ''
        local points = tonumber(subject:match('worth (%d+) points'))
        if points then return true, points end
        if subject:find('try later') then task:set_pre_result('soft reject', 'Try again later') end
    end,
})
";

/// The points from which on these actions are taken.
pub(crate) const GREYLIST: u32 = 4;
pub(crate) const ADD_HEADER: u32 = 6;
pub(crate) const REWRITE_SUBJECT: u32 = 10;
pub(crate) const REJECT: u32 = 15;

pub(crate) struct Rspamd {
    pub(crate) service: Service,
    address: SocketAddr,
}

impl Rspamd {
    /// Starts one with these further lines of `rspamd.conf`.
    pub(crate) async fn start(further: &str) -> Rspamd {
        let port = ReservedPort::take();
        let address = port.address();
        let place = place("rspamd");
        write(&place, "rules.lua", RULES);
        // It does not start without a list of top-level domains, which are how it knows an URL.
        write(&place, "domains", "com\nnet\norg\n");
        let configuration = format!(
            r#"
options {{
    filters = "";
    pidfile = "{directory}/pid";
    tempdir = "{directory}";
    url_tld = "{directory}/domains";
    hs_cache_dir = "{directory}";
    disable_hyperscan = true; # what it would compile at every start
    control_socket = "{directory}/control mode=0600";
    lang_detection {{ languages = "{directory}"; }}
    dns {{ nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }} # nobody is there
}}
logging {{ type = "console"; level = "notice"; }}
actions {{
    greylist = {GREYLIST};
    add_header = {ADD_HEADER};
    rewrite_subject = {REWRITE_SUBJECT};
    reject = {REJECT};
}}
worker "normal" {{ bind_socket = "{address}"; count = 1; }}
lua = "{directory}/rules.lua";
{further}
"#,
            directory = place.path().display(),
        );
        let configuration = write(&place, "rspamd.conf", configuration);
        let mut command = Command::new(program("rspamd"));
        command.arg("--no-fork").arg("--config").arg(configuration);
        if rustix::process::getuid().is_root() {
            // It does not stay root unless it is told that this is meant.
            command.arg("--insecure");
        }
        let door = Door::Port(address);
        let service = Service::start("rspamd", place, &mut command, door).await;
        Rspamd { service, address }
    }

    /// Where it takes `/checkv2` and the like.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
