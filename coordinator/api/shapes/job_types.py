"""What jobs look like in answers: the types of the document of the API."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypeAlias

from pydantic import Field
from typing_extensions import TypedDict

from coordinator.api.shapes.envelope import ArmId, Envelope, Time
from coordinator.api.shapes.failovers import FailoverFacts, FailoverFactsIfAny
from coordinator.api.shapes.test_failovers import TestJobDetails

TaskTime: TypeAlias = Annotated[
    str, Field(description='A time; "0001-01-01T00:00:00" before it came.')
]


class ServiceError(TypedDict):
    """What went wrong, why, and what helps."""

    code: str
    message: str
    possibleCauses: str
    recommendedAction: str
    activityId: str


class ProviderError(TypedDict):
    """What PowerShell said."""

    errorCode: int | None
    errorId: str
    errorMessage: str
    possibleCauses: str
    recommendedAction: str
    category: str
    cmdlet: str
    target: str


class JobErrorDetails(TypedDict):
    serviceErrorDetails: ServiceError
    providerErrorDetails: ProviderError | None
    errorLevel: str
    creationTime: Time | None
    taskId: str | None


class ManualActionDetails(TypedDict):
    """What a person is, or was, asked to do."""

    instanceType: Literal["ManualActionTaskDetails"]
    name: str
    instructions: str
    observation: str


class ScriptTaskDetails(TypedDict):
    """What a script of a recovery plan wrote."""

    instanceType: Literal["ScriptActionTaskDetails"]
    name: str
    path: str
    output: str
    isPrimarySideScript: bool


class InconsistentMachine(TypedDict):
    """Where vault and server differ about a machine."""

    vmName: str
    cloudName: str
    details: list[str]
    errorIds: list[str]


class ConsistencyDetails(TypedDict):
    """What a check of consistency found."""

    instanceType: Literal["ConsistencyCheckTaskDetails"]
    vmDetails: list[InconsistentMachine]


class FailoverTaskDetails(FailoverFacts):
    """What a failover recovered and lost."""

    instanceType: Literal["FailoverTaskDetails"]  # noqa: N815 - the API's name


class MemberJob(TypedDict):
    jobId: ArmId
    jobFriendlyName: str
    targetObjectId: str
    targetObjectName: str
    targetInstanceType: str
    jobScenarioName: str


class MachineTaskDetails(TypedDict):
    """The job of a machine in a plan's run."""

    instanceType: Literal["VirtualMachineTaskDetails"]
    skippedReason: str
    skippedReasonString: str
    jobTask: MemberJob


TaskDetails: TypeAlias = (
    ManualActionDetails
    | ScriptTaskDetails
    | ConsistencyDetails
    | FailoverTaskDetails
    | MachineTaskDetails
)


class GroupDetails(TypedDict):
    """The machines of a task's group, each with its own job."""

    instanceType: str
    name: str
    groupId: str
    rpGroupType: str
    childTasks: list[MemberTask]


class TaskShape(TypedDict):
    """A task of a job."""

    taskId: str
    name: str
    startTime: TaskTime
    endTime: TaskTime
    allowedActions: list[str]
    friendlyName: str
    state: str
    stateDescription: str
    taskType: str
    customDetails: TaskDetails | None
    groupTaskCustomDetails: GroupDetails | None
    errors: list[JobErrorDetails]
    percent: NotRequired[int | None]


class MemberTask(TypedDict):
    """A machine in a group."""

    taskId: str
    name: str
    startTime: TaskTime
    endTime: TaskTime
    allowedActions: list[str]
    friendlyName: str
    state: str
    stateDescription: str
    taskType: str
    customDetails: MachineTaskDetails
    groupTaskCustomDetails: None
    errors: list[JobErrorDetails]


class AsrJobDetails(TypedDict):
    instanceType: Literal["AsrJobDetails"]
    affectedObjectDetails: dict[str, str]


class ExportJobDetails(TypedDict):
    """Where the file of an export is."""

    instanceType: Literal["ExportJobDetails"]
    affectedObjectDetails: dict[str, str]
    blobUri: str | None
    sasToken: str | None


class FailedOverItem(FailoverFactsIfAny):
    """A machine, and what its failover recovered and lost."""

    name: str
    friendlyName: str  # noqa: N815 - the API's name


class FailoverJobDetails(TypedDict):
    instanceType: Literal["FailoverJobDetails"]
    affectedObjectDetails: dict[str, str]
    protectedItemDetails: list[FailedOverItem]


JobDetails: TypeAlias = AsrJobDetails | ExportJobDetails | TestJobDetails | FailoverJobDetails


class JobProperties(TypedDict):
    activityId: str
    scenarioName: str
    friendlyName: str
    state: str
    stateDescription: str
    tasks: list[TaskShape]
    errors: list[JobErrorDetails]
    startTime: Time
    endTime: Time | None
    allowedActions: list[str]
    targetObjectId: str
    targetObjectName: str
    targetInstanceType: str
    customDetails: JobDetails
    percent: Annotated[int | None, Field(ge=0, le=100)]
    startedBy: str
    leftState: str
    parentJobId: ArmId | None
    correlationId: str


class OperationFailure(TypedDict):
    code: str
    message: str
    possibleCauses: str
    recommendedAction: str
    activityId: str


class OperationError(TypedDict):
    """Why an operation failed: the first failure outside, all of them in details."""

    code: str
    message: str
    details: list[OperationFailure]


class JobResource(Envelope):
    """A job, with its tasks."""

    properties: JobProperties


class PolledJobResource(JobResource):
    """A job, with its tasks; clients of old versions find the operation's status in it too."""

    status: NotRequired[str]
    startTime: NotRequired[Time]  # noqa: N815 - the API's name
    endTime: NotRequired[Time | None]  # noqa: N815 - the API's name
    error: NotRequired[OperationError]


class OperationStatus(TypedDict):
    """How a long-running operation stands."""

    id: ArmId
    name: str
    status: Literal["InProgress", "Succeeded", "Failed", "Canceled"]
    startTime: Time
    endTime: Time | None
    percentComplete: Annotated[int | None, Field(ge=0, le=100)]
    properties: None
    error: NotRequired[OperationError]
