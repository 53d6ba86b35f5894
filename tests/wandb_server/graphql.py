"""The GraphQL operations of the W&B client, each answered by one function.

Clients choose among queries by their name alone, so the answers hold every field that is asked for,
and a query that is not here is refused as a server of another release would refuse it.
"""

import json
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wandb_server.records import EVENTS, HISTORY, LOG, Artifact, Run
from wandb_server.sweeps import Sweep

if TYPE_CHECKING:
    from wandb_server.server import WandbServer

Variables = dict[str, Any]
Operation = Callable[["WandbServer", Variables], dict[str, Any]]
OPERATIONS: dict[str, Operation] = {}
ENTITY = "me"


def operation(*names: str) -> Callable[[Operation], Operation]:
    """Register the answer to the queries of these names."""

    def register(answer: Operation) -> Operation:
        OPERATIONS.update(dict.fromkeys(names, answer))
        return answer

    return register


def _project(name: str) -> dict[str, Any]:
    entity = {"id": "e", "name": ENTITY, "organization": None}
    return {"id": f"p-{name}", "internalId": f"p-{name}", "name": name, "entity": entity}


# -- accounts ---------------------------------------------------------------------------------------


@operation("Viewer", "GetViewer", "GetDefaultEntity")
def viewer(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    teams = {"edges": [{"node": {"id": "e", "name": ENTITY}}]}
    user = {"id": "u", "entity": ENTITY, "username": ENTITY, "name": ENTITY, "email": "me@here", "admin": False}
    return {
        "viewer": {
            **user,
            "flags": "{}",
            "teams": teams,
            "apiKeys": {"edges": []},
            "defaultEntity": teams["edges"][0]["node"],
        }
    }


@operation("OrganizationCoreWeaveOrganizationID")
def organization(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    return {"entity": {"organization": None}}


@operation("ServerFeaturesQuery")
def features(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    return {"serverInfo": {"features": []}}


# -- runs -------------------------------------------------------------------------------------------


@operation("RunResumeStatus")
def resume_status(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    run = server.runs.get(variables["name"])
    bucket = run and {
        "id": f"b-{run.name}",
        "name": run.name,
        "displayName": run.about.get("displayName"),
        "summaryMetrics": json.dumps(run.summary),
        "logLineCount": len(run.lines[LOG]),
        "historyLineCount": len(run.lines[HISTORY]),
        "eventsLineCount": len(run.lines[EVENTS]),
        "historyTail": json.dumps(run.lines[HISTORY][-1:]),
        "eventsTail": json.dumps(run.lines[EVENTS][-1:]),
        "config": json.dumps({name: {"value": value} for name, value in run.config.items()}),
        "tags": run.about.get("tags") or [],
        "notes": run.about.get("notes"),
        "wandbConfig": json.dumps({"t": run.config.get("_wandb", {}).get("t", {})}),
    }
    return {"model": {**_project(variables["project"] or "uncategorized"), "bucket": bucket}}


@operation("UpsertBucket")
def upsert_run(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    name, project = variables.get("name"), variables.get("project") or "uncategorized"
    if variables.get("id"):
        name = variables["id"].removeprefix("b-")
    inserted = name not in server.runs
    run = server.runs.setdefault(name, Run(variables.get("entity") or ENTITY, project, name))
    run.update(variables)
    bucket = {
        "id": f"b-{name}",
        "name": name,
        "displayName": run.about.get("displayName") or name,
        "description": None,
        "config": json.dumps({key: {"value": value} for key, value in run.config.items()}),
        "sweepName": run.about.get("sweep"),
        "project": _project(run.project),
        "historyLineCount": len(run.lines[HISTORY]),
    }
    return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}


@operation("CreateRunFiles")
def create_run_files(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    run = server.runs[variables["run"]]
    files = [
        {"name": name, "uploadUrl": server.upload_url(lambda content, name=name: run.files.update({name: content}))}
        for name in variables["files"]
    ]
    return {"createRunFiles": {"runID": f"b-{run.name}", "uploadHeaders": [], "files": files}}


@operation("MarkRunFilesUploaded")
def mark_uploaded(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    return {"markRunFilesUploaded": {"success": True}}


@operation("RunState")
def run_state(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    run = server.runs.get(variables["run"])
    state = "running" if run is None or run.exit_code is None else "failed" if run.exit_code else "finished"
    return {"project": {"run": run and {"id": f"b-{run.name}", "state": state}}}


# -- artifacts --------------------------------------------------------------------------------------


@operation("CreateArtifact")
def create_artifact(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    about = variables["input"]
    same = [known for known in server.artifacts.values() if known.is_same(about)]
    artifact = same[0] if same else Artifact(secrets.token_hex(8), about)
    artifact.aliases |= {alias["alias"] for alias in about.get("aliases") or []}
    server.artifacts[artifact.id] = artifact
    server.client_ids[about.get("clientID")] = artifact.id
    state = "COMMITTED" if artifact.committed else "PENDING"
    return {
        "createArtifact": {
            "artifact": {"id": artifact.id, "state": state, "artifactSequence": {"latestArtifact": None}}
        }
    }


@operation("CreateArtifactManifest", "UpdateArtifactManifest")
def artifact_manifest(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    artifact = server.artifacts[variables.get("artifactID") or variables["artifactManifestID"].removeprefix("m-")]
    file = {"id": f"f-{artifact.id}", "uploadUrl": None, "uploadHeaders": None}
    if variables["includeUpload"]:

        def keep(content: bytes) -> None:
            artifact.manifest = json.loads(content)["contents"]

        file |= {"uploadUrl": server.upload_url(keep), "uploadHeaders": []}
    answer = {"artifactManifest": {"id": f"m-{artifact.id}", "file": file}}
    return {"updateArtifactManifest" if "artifactManifestID" in variables else "createArtifactManifest": answer}


@operation("CreateArtifactFiles")
def create_artifact_files(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    edges = []
    for file in variables["input"]["artifactFiles"]:
        artifact, name = server.artifacts[file["artifactID"]], file["name"]
        url = server.upload_url(lambda content, files=artifact.files, name=name: files.update({name: content}))
        node = {"storagePath": f"{artifact.id}/{name}", "uploadUrl": url, "uploadHeaders": []}
        edges.append({"node": {**node, "uploadMultipartUrls": None, "artifact": {"id": artifact.id}}})
    return {"createArtifactFiles": {"files": {"edges": edges}}}


@operation("CommitArtifact")
def commit_artifact(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    artifact = server.artifacts[variables["artifactID"]]
    artifact.committed = True
    server.problems += artifact.check()
    return {"commitArtifact": {"artifact": {"id": artifact.id, "digest": artifact.about["digest"]}}}


@operation("UseArtifact")
def use_artifact(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    about = variables["input"]
    server.artifacts[about["artifactID"]].used_by.add(about["runName"])
    return {"useArtifact": {"artifact": {"id": about["artifactID"]}}}


@operation("ClientIDMapping")
def client_id(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    found = server.client_ids.get(variables["clientID"])
    return {"clientIDMapping": found and {"serverID": found}}


@operation("ArtifactType")
def artifact_type(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    name = variables["name"].partition(":")[0]
    found = [artifact for artifact in server.artifacts.values() if artifact.committed and artifact.name == name]
    return {"project": {"artifact": {"artifactType": {"name": found[0].kind}} if found else None}}


@operation("ArtifactByID")
def artifact_by_id(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    artifact = server.artifacts[variables["id"]]
    project = _project(artifact.about["projectName"])
    answer = {
        "__typename": "Artifact",
        "id": artifact.id,
        "artifactSequence": {"__typename": "ArtifactSequence", "name": artifact.name, "project": project},
        "versionIndex": 0,
        "artifactType": {"name": artifact.kind},
        "description": None,
        "metadata": artifact.about.get("metadata"),
        "ttlDurationSeconds": -2,
        "ttlIsInherited": True,
        "tags": [],
        "historyStep": None,
        "state": "COMMITTED",
        "size": sum(len(content) for content in artifact.files.values()),
        "digest": artifact.about["digest"],
        "commitHash": artifact.id,
        "fileCount": len(artifact.files),
        "createdAt": "2026-01-01T00:00:00Z",
        "updatedAt": None,
        "aliases": [],
    }
    return {"artifact": answer}


# -- sweeps -----------------------------------------------------------------------------------------


@operation("UpsertSweep")
def upsert_sweep(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    name = f"sweep{len(server.sweeps)}"
    sweep = server.sweeps[name] = Sweep(name, variables["projectName"], variables["config"], dict(server.instead))
    answer = {"name": name, "project": _project(sweep.project)}
    return {"upsertSweep": {"sweep": answer, "configValidationWarnings": []}}


@operation("SweepWithRuns")
def sweep_with_runs(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    sweep = server.sweeps.get(variables["sweep"])
    answer = sweep and {
        "id": sweep.name,
        "name": sweep.name,
        "method": sweep.config["method"],
        "state": sweep.state,
        "config": sweep.text,
        "runs": {"edges": []},
    }
    return {"project": {"sweep": answer}}


@operation("CreateAgent")
def create_agent(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    name = f"agent{len(server.agents)}"
    server.agents[name] = server.sweeps[variables["sweep"]]
    return {"createAgent": {"agent": {"id": name}}}


@operation("Heartbeat")
def heartbeat(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    sweep, running = server.agents[variables["id"]], json.loads(variables["runState"])
    # A rule that stops runs goes by what they have logged.
    logged = [run for run in running if run in server.runs and server.runs[run].rows]
    commands = [{"type": "stop", "run_id": run} for run in logged if run in server.to_stop]
    if not running:
        commands.append(sweep.next_trial() or {"type": "exit"})
    return {"agentHeartbeat": {"agent": {"id": variables["id"]}, "commands": json.dumps(commands)}}


# -- workspaces -------------------------------------------------------------------------------------


@operation("UpsertView2")
def upsert_view(server: "WandbServer", variables: Variables) -> dict[str, Any]:
    server.views.append({**variables, "spec": json.loads(variables["spec"])})
    return {"upsertView": {"view": {"id": f"view{len(server.views)}", "name": variables["name"]}, "inserted": True}}
