//! One line of the route table: a path, what it asks of whoever comes, and who answers which method.
//!
//! The lines are data, so that a test can try every one of them as everybody.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter};

use super::{Context, access};
use crate::accounts::Role;
use crate::limits;

/// What a path asks of whoever comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing.
    Nothing,
    /// A browser that is logged in, as somebody who may do what this role may.
    Login(Role),
    /// The same for what browsers ask for by themselves: it does not keep the login alive.
    Watching(Role),
    /// An API token that may do what this role may.
    AccessToken(Role),
    /// Something that collects metrics: any API token, this machine, or a trusted network.
    Collector,
}

/// A path with those who answer.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) needs: Needs,
    /// In the order in which they were given; HEAD comes with GET.
    pub(super) methods: Vec<Method>,
    /// The largest body that is taken.
    body_bytes: usize,
    answers: MethodRouter<Arc<Context>>,
}

/// A path for everybody.
pub(super) fn open(path: &'static str) -> Route {
    Route::new(path, Needs::Nothing)
}

/// A page for people who may do what `role` may.
pub(super) fn page(role: Role, path: &'static str) -> Route {
    Route::new(path, Needs::Login(role))
}

/// What browsers of people who may do what `role` may ask for by themselves.
pub(super) fn watched(role: Role, path: &'static str) -> Route {
    Route::new(path, Needs::Watching(role))
}

/// A part of the API for programs that may do what `role` may.
pub(super) fn api(role: Role, path: &'static str) -> Route {
    Route::new(path, Needs::AccessToken(role))
}

/// A path for whatever collects metrics.
pub(super) fn metrics(path: &'static str) -> Route {
    Route::new(path, Needs::Collector)
}

impl Route {
    fn new(path: &'static str, needs: Needs) -> Self {
        Self {
            path,
            needs,
            methods: Vec::new(),
            body_bytes: match needs {
                // Strangers may send little: the other doors are shut before a body is read.
                Needs::Nothing => limits::OPEN_BODY_BYTES,
                _ => limits::REQUEST_BODY_BYTES,
            },
            answers: MethodRouter::new(),
        }
    }

    /// Bodies may hold long lists of settings.
    pub(super) fn of_settings(mut self) -> Self {
        self.body_bytes = limits::SETTINGS_BODY_BYTES;
        self
    }

    pub(super) fn get<H: Handler<T, Arc<Context>>, T: 'static>(self, handler: H) -> Self {
        self.on(Method::GET, handler)
    }

    pub(super) fn post<H: Handler<T, Arc<Context>>, T: 'static>(self, handler: H) -> Self {
        self.on(Method::POST, handler)
    }

    pub(super) fn patch<H: Handler<T, Arc<Context>>, T: 'static>(self, handler: H) -> Self {
        self.on(Method::PATCH, handler)
    }

    pub(super) fn put<H: Handler<T, Arc<Context>>, T: 'static>(self, handler: H) -> Self {
        self.on(Method::PUT, handler)
    }

    pub(super) fn delete<H: Handler<T, Arc<Context>>, T: 'static>(self, handler: H) -> Self {
        self.on(Method::DELETE, handler)
    }

    /// `handler` answers `method`, which is one of HTTP's own.
    pub(super) fn on<H: Handler<T, Arc<Context>>, T: 'static>(
        mut self,
        method: Method,
        handler: H,
    ) -> Self {
        let filter = MethodFilter::try_from(method.clone()).expect("it is one of HTTP's own");
        self.methods.push(method);
        self.answers = self.answers.on(filter, handler);
        self
    }

    /// Those who answer, behind the door that the path needs.
    pub(super) fn guarded(self, context: &Arc<Context>) -> MethodRouter<Arc<Context>, Infallible> {
        let door = |role| (Arc::clone(context), role);
        let answers = self.answers;
        let answers = match self.needs {
            Needs::Nothing => answers,
            Needs::Login(role) => {
                answers.route_layer(from_fn_with_state(door(role), access::pages))
            }
            Needs::Watching(role) => {
                answers.route_layer(from_fn_with_state(door(role), access::watched))
            }
            Needs::AccessToken(role) => {
                answers.route_layer(from_fn_with_state(door(role), access::api))
            }
            Needs::Collector => {
                answers.route_layer(from_fn_with_state(Arc::clone(context), access::metrics))
            }
        };
        // Around the door, which reads the body.
        answers.route_layer(DefaultBodyLimit::max(self.body_bytes))
    }
}
