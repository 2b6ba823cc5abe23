//! Searches of the trail, which visitors make one at a time.

use std::future::Future;

use super::Context;
use super::access::Visitor;
use super::error::ApiError;
use crate::store::{ReadError, Store};

impl Context {
    /// Searches the trail when the visitor has a permit. Messages that were answered until then are found.
    pub(super) async fn search<T, F>(
        &self,
        visitor: &Visitor,
        search: impl FnOnce(Store) -> F,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ReadError>> + Send + 'static,
    {
        let (search, trail) = (search(self.store.clone()), self.trail.clone());
        let search = async move {
            trail.catch_up().await;
            search.await
        };
        self.search_permits.run(&visitor.name, search).await
    }
}
