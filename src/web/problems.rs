//! What is wrong with a form about accounts, shown at its fields and above them.

use axum::http::StatusCode;

use super::error::{ApiError, PageError};
use crate::administration::AccountError;
use crate::settings::FieldErrors;

/// The problems of a form.
#[derive(Debug, Default)]
pub(super) struct FormProblems {
    fields: FieldErrors,
    general: Option<String>,
    status: Option<StatusCode>,
}

impl FormProblems {
    /// The problems that a person can correct; any other error is shown as a page of its own.
    pub(super) fn of(error: AccountError) -> Result<Self, PageError> {
        match error {
            AccountError::Invalid(fields) => Ok(Self {
                fields,
                ..Self::default()
            }),
            other => match ApiError::from(other) {
                error @ (ApiError::Conflict(_) | ApiError::TooOften(_) | ApiError::Busy(_)) => {
                    Ok(Self {
                        status: Some(error.status()),
                        general: Some(error.to_string()),
                        ..Self::default()
                    })
                }
                error => Err(error.into()),
            },
        }
    }

    /// A problem of one field.
    pub(super) fn at_field(field: &str, problem: &str) -> Self {
        let mut problems = Self::default();
        problems.fields.add(field, problem);
        problems
    }

    /// The problem of a field.
    pub(super) fn at(&self, field: &str) -> Option<&str> {
        self.fields.0.get(field).map(String::as_str)
    }

    /// The problem of the form as a whole.
    pub(super) fn general(&self) -> Option<&str> {
        self.general.as_deref()
    }

    /// The status of a page that shows them.
    pub(super) fn status(&self) -> StatusCode {
        self.status.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY)
    }
}
