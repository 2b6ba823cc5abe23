//! One line of the route table: a path, who may use it, and the handler of each method.
//!
//! The lines are data, so that a test can try every one of them as every kind of visitor.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter};
use utoipa::openapi::path::{Operation, PathItem, Paths};
use utoipa::openapi::{RefOr, Schema};
use utoipa_axum::router::UtoipaMethodRouter;

use super::{Context, access};
use crate::accounts::Role;
use crate::limits;

/// Who may use a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Everybody.
    Nothing,
    /// A browser that is logged in, with a role that may do as much as this one.
    Login(Role),
    /// The same for what browsers ask for by themselves: it does not keep the login alive.
    Watching(Role),
    /// An API token that may do as much as this role.
    Token(Role),
    /// A collector of metrics: any API token, this machine, or a trusted network.
    Collector,
}

/// A path with its handlers.
pub(super) struct Route {
    pub(super) path: String,
    pub(super) needs: Needs,
    /// In the order in which they were given; HEAD comes with GET.
    pub(super) methods: Vec<Method>,
    /// What the OpenAPI document says of it, when it is a part of the API.
    pub(super) described: Option<ApiDescription>,
    /// The largest body that is taken.
    body_bytes: usize,
    answers: MethodRouter<Arc<Context>>,
}

/// Paths with their operations, and the schemas that these refer to.
pub(super) type ApiDescription = (Paths, Vec<(String, RefOr<Schema>)>);

/// The operations of a path, with their methods.
pub(super) fn operations(path: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let methods = [
        (Method::GET, &mut path.get),
        (Method::PUT, &mut path.put),
        (Method::POST, &mut path.post),
        (Method::DELETE, &mut path.delete),
        (Method::PATCH, &mut path.patch),
    ];
    let methods = methods.into_iter();
    methods.filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// A path for everybody.
pub(super) fn open(path: &str) -> Route {
    Route::new(path, Needs::Nothing)
}

/// A page for people who may do what `role` may.
pub(super) fn page(role: Role, path: &str) -> Route {
    Route::new(path, Needs::Login(role))
}

/// The same for what browsers ask for by themselves.
pub(super) fn watched(role: Role, path: &str) -> Route {
    Route::new(path, Needs::Watching(role))
}

/// A part of the API for everybody.
pub(super) fn open_api(described: UtoipaMethodRouter<Arc<Context>>) -> Route {
    Route::described(Needs::Nothing, described)
}

/// A part of the API for programs that may do what `role` may.
pub(super) fn api(role: Role, described: UtoipaMethodRouter<Arc<Context>>) -> Route {
    Route::described(Needs::Token(role), described)
}

/// A path for collectors of metrics.
pub(super) fn metrics(path: &str) -> Route {
    Route::new(path, Needs::Collector)
}

impl Route {
    fn new(path: &str, needs: Needs) -> Self {
        Self {
            path: path.to_owned(),
            needs,
            methods: Vec::new(),
            described: None,
            body_bytes: match needs {
                // Strangers may send little: elsewhere they are refused before a body is read.
                Needs::Nothing => limits::OPEN_BODY_BYTES,
                _ => limits::REQUEST_BODY_BYTES,
            },
            answers: MethodRouter::new(),
        }
    }

    /// Path and methods are those of the description.
    fn described(
        needs: Needs,
        (schemas, mut paths, answers): UtoipaMethodRouter<Arc<Context>>,
    ) -> Self {
        let first = paths.paths.iter_mut().next();
        let (path, item) = first.expect("`routes!` has a handler");
        let route = Self::new(path, needs);
        Self {
            methods: operations(item).map(|(method, _)| method).collect(),
            answers,
            described: Some((paths, schemas)),
            ..route
        }
    }

    /// Bodies may hold long lists of settings.
    pub(super) fn of_settings(mut self) -> Self {
        self.body_bytes = limits::SETTINGS_BODY_BYTES;
        self
    }

    /// The handlers take `page` as an argument.
    pub(super) fn about<P: Clone + Send + Sync + 'static>(mut self, page: P) -> Self {
        self.answers = self.answers.route_layer(Extension(page));
        self
    }

    pub(super) fn get<H: Handler<T, Arc<Context>>, T: 'static>(self, handler: H) -> Self {
        self.on(Method::GET, handler)
    }

    pub(super) fn post<H: Handler<T, Arc<Context>>, T: 'static>(self, handler: H) -> Self {
        self.on(Method::POST, handler)
    }

    /// `handler` answers `method`, which is one of HTTP's own.
    fn on<H: Handler<T, Arc<Context>>, T: 'static>(mut self, method: Method, handler: H) -> Self {
        let filter = MethodFilter::try_from(method.clone()).expect("it is one of HTTP's own");
        self.methods.push(method);
        self.answers = self.answers.on(filter, handler);
        self
    }

    /// The handlers, behind the guard that the path needs.
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
            Needs::Token(role) => answers.route_layer(from_fn_with_state(door(role), access::api)),
            Needs::Collector => {
                answers.route_layer(from_fn_with_state(Arc::clone(context), access::metrics))
            }
        };
        // Around the guard, which reads the body.
        answers.route_layer(DefaultBodyLimit::max(self.body_bytes))
    }
}
