"""The lab's error records as psrpcore's."""

from psrpcore.types import ErrorCategory, ErrorCategoryInfo, ErrorDetails, NETException
from psrpcore.types import ErrorRecord as WireErrorRecord

from deploy.lab.invocation import ErrorRecord

_ANCESTORS = ["System.Exception", "System.Object"]


def exception_of(error: ErrorRecord) -> NETException:
    exception = NETException(Message=error.message, HResult=-2146233088)
    exception.PSObject.type_names = [error.exception_type, *_ANCESTORS]
    return exception


def category_of(error: ErrorRecord) -> ErrorCategoryInfo:
    return ErrorCategoryInfo(
        Category=ErrorCategory.__members__.get(error.category, ErrorCategory.NotSpecified),
        Activity=error.activity,
        Reason=error.exception_type.rsplit(".", 1)[-1],
        TargetName=error.target_name,
        TargetType=error.target_type,
    )


def details_of(error: ErrorRecord) -> ErrorDetails | None:
    if not error.recommended_action:
        return None
    return ErrorDetails(Message=error.message, RecommendedAction=error.recommended_action)


def wire_error_record(error: ErrorRecord) -> WireErrorRecord:
    """The record of a pipeline that ended in failure."""
    return WireErrorRecord(
        Exception=exception_of(error),
        CategoryInfo=category_of(error),
        TargetObject=error.target_name or None,
        FullyQualifiedErrorId=error.fully_qualified_error_id,
        ErrorDetails=details_of(error),
    )
