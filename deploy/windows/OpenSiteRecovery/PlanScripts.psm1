# Scripts of recovery plans. They lie in the library share of the VMM server; only their paths come
# over the wire. Each runs in a PowerShell process of its own, with one argument: the context, JSON.

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

# Root of the share: what the agent was told, or Site Recovery's registry value, or VMM's own share.
# Not exported.
filter Get-OsrScriptLibrary ([string] $LibraryPath, [string] $VMMServer) {
    $root = $LibraryPath
    if (-not $root) {
        $key = 'HKLM:\SOFTWARE\Microsoft\Azure Site Recovery\Registration'
        $values = Get-ItemProperty -Path $key -ErrorAction SilentlyContinue
        if ($null -ne $values -and $values.PSObject.Properties.Name -contains 'ScriptLibraryPath') {
            $root = [string] $values.ScriptLibraryPath
        }
    }
    if (-not $root) { $root = "\\$VMMServer\MSCVMMLibrary" }
    $root.TrimEnd('\')
}

# Full name of a script below the root; throws when the path leads out of it, by its dots, by being
# absolute, or through a link. Not exported.
filter Resolve-OsrScriptPath ([string] $Root, [string] $Path) {
    if ($Path -match '^[A-Za-z]:|^\\\\|[<>:"|?*\x00-\x1f]') { throw "The path '$Path' is not relative to the library share." }
    $base = [System.IO.Path]::GetFullPath($Root).TrimEnd('\')
    $full = [System.IO.Path]::GetFullPath([System.IO.Path]::Combine($base, $Path.TrimStart('\')))
    if (-not $full.StartsWith("$base\", [System.StringComparison]::OrdinalIgnoreCase)) {
        throw "The path '$Path' leads out of the library share."
    }
    if ([System.IO.Path]::GetExtension($full) -ne '.ps1') { throw "'$Path' is no PowerShell script (.ps1)." }
    $part = $full
    while ($part.Length -gt $base.Length) {
        if (Test-Path -LiteralPath $part) {
            if ((Get-Item -LiteralPath $part -Force).LinkType -in 'SymbolicLink', 'Junction') {
                throw "The path '$Path' leads through a link, '$part'."
            }
        }
        $part = [System.IO.Path]::GetDirectoryName($part)
    }
    $full
}

# Why the execution policy of this server does not let a script run; empty when it does. A script has
# nobody to ask, so what PowerShell would ask about is refused. Not exported.
filter Get-OsrScriptObstacle ([string] $FullName) {
    $policy = [string] (Get-ExecutionPolicy)
    if ($policy -eq 'Bypass') { return '' }
    if ($policy -eq 'Restricted') { return "The execution policy of this server, Restricted, lets no script run." }
    if ($policy -ne 'AllSigned') {
        $zone = [string] [System.Security.Policy.Zone]::CreateFromUrl($FullName).SecurityZone
        $mark = @(Get-Content -LiteralPath $FullName -Stream 'Zone.Identifier' -ErrorAction SilentlyContinue)
        $foreign = $zone -in 'Internet', 'Untrusted' -or @($mark -match '^ZoneId=[34]').Count -gt 0
        if (-not $foreign) { return '' }
    }
    $signature = Get-AuthenticodeSignature -LiteralPath $FullName
    if ([string] $signature.Status -ne 'Valid') {
        return "The execution policy of this server, $policy, wants '$FullName' to be signed: it comes from elsewhere, or every script must be. Its signature: $($signature.Status)."
    }
    $publisher = $signature.SignerCertificate.Thumbprint
    if ((Test-Path "Cert:\LocalMachine\TrustedPublisher\$publisher") -or (Test-Path "Cert:\CurrentUser\TrustedPublisher\$publisher")) { return '' }
    "'$FullName' is signed by a publisher that this server does not trust: $($signature.SignerCertificate.Subject)."
}

# The first 64 KiB of a text, as UTF-8 counts. Not exported.
filter Limit-OsrText ([string] $Text) {
    $most = 64KB
    if ([System.Text.Encoding]::UTF8.GetByteCount($Text) -le $most) { return $Text }
    $bytes = [System.Text.Encoding]::UTF8.GetBytes($Text)
    # A character that is cut in two becomes the replacement character.
    [System.Text.Encoding]::UTF8.GetString($bytes, 0, $most).TrimEnd([char] 0xFFFD)
}

# Ends a process with all that it started, and they: a script's programs do not end with it. Of two
# processes with one number the parent is the one that was there before its child. Not exported.
filter Stop-OsrProcessTree ([int] $ProcessId) {
    $running = @(Get-CimInstance -ClassName Win32_Process)
    $ends = @($running | Where-Object { $_.ProcessId -eq $ProcessId })
    for ($i = 0; $i -lt $ends.Count; $i++) {
        $parent = $ends[$i]
        $ends += @($running | Where-Object {
                $_.ParentProcessId -eq $parent.ProcessId -and $_.ProcessId -ne $parent.ProcessId -and
                $_.CreationDate -ge $parent.CreationDate
            })
    }
    foreach ($process in $ends) { Stop-Process -Id $process.ProcessId -Force -ErrorAction SilentlyContinue }
}

function Get-OsrPlanScript {
    <#
    .SYNOPSIS
        Looks at a script in the library share: whether it is there, readable and may run; its SHA-256.
    .DESCRIPTION
        Changes nothing. It is looked at with the rights that it would be run with. A path that cannot be is told in Problem, as is a file that cannot be read.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true)] [AllowEmptyString()] [string] $LibraryPath,
        [Parameter(Mandatory = $true)] [string] $VMMServer,
        [Parameter(Mandatory = $true)] [string] $Path
    )
    $root = Get-OsrScriptLibrary -LibraryPath $LibraryPath -VMMServer $VMMServer
    $exists = $false
    $hash = ''
    $runnable = $false
    $problem = ''
    try {
        $full = Resolve-OsrScriptPath -Root $root -Path $Path
        $exists = Test-Path -LiteralPath $full -PathType Leaf
        if ($exists) {
            $hash = (Get-FileHash -LiteralPath $full -Algorithm SHA256).Hash.ToLowerInvariant()
            $problem = Get-OsrScriptObstacle -FullName $full
            $runnable = -not $problem
        }
        elseif (-not (Test-Path -LiteralPath $root -PathType Container)) { $problem = "The library share '$root' cannot be reached." }
        else { $problem = "There is no file '$full'." }
    }
    catch { $problem = "$_" }
    [pscustomobject]@{
        Library  = $root
        Path     = $Path
        Exists   = $exists
        Readable = [bool] $hash
        Runnable = $runnable
        Sha256   = $hash
        Problem  = $problem
    }
}

function Invoke-OsrPlanScript {
    <#
    .SYNOPSIS
        Runs a script of the library share in a process of its own and tells how it ended.
    .DESCRIPTION
        The script gets the context, JSON, as its only argument. It has failed when it wrote to the
        error stream, called Write-Host, threw, or exited with a code other than 0. At its limit it
        is ended by force. The computer's execution policy holds. Not idempotent.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true)] [AllowEmptyString()] [string] $LibraryPath,
        [Parameter(Mandatory = $true)] [string] $VMMServer,
        [Parameter(Mandatory = $true)] [string] $Path,
        [Parameter(Mandatory = $true)] [AllowEmptyString()] [string] $Context,
        [Parameter(Mandatory = $true)] [ValidateRange(1, 600)] [int] $TimeLimitSeconds,
        [Parameter(Mandatory = $true)] [AllowEmptyString()] [string] $Sha256
    )
    $root = Get-OsrScriptLibrary -LibraryPath $LibraryPath -VMMServer $VMMServer
    $full = Resolve-OsrScriptPath -Root $root -Path $Path
    $hash = (Get-FileHash -LiteralPath $full -Algorithm SHA256).Hash.ToLowerInvariant()
    if ($Sha256 -and $hash -ne $Sha256) { throw "The script '$full' was changed: its SHA-256 is $hash." }
    # A job is a process of its own, and takes an argument of any length, which a command line does not.
    $job = Start-Job -ArgumentList $full, $Context -ScriptBlock {
        param([string] $Script, [string] $Context)
        # First of all what is to be ended should the script not end.
        [pscustomobject]@{ OsrProcessId = $PID }
        $global:LASTEXITCODE = 0
        $ProgressPreference = 'SilentlyContinue'
        # All that a script writes would fill the memory of the VMM server: only texts leave this
        # process, and of each kind no more than is kept.
        $left = @{ Output = 64KB; Error = 64KB }
        & $Script $Context *>&1 | ForEach-Object -Process {
            $kind = 'Output'
            if ($_ -is [System.Management.Automation.ErrorRecord]) { $kind = 'Error'; $text = "$_" }
            elseif ($_ -is [System.Management.Automation.InformationRecord]) {
                # Write-Host writes information records with this tag.
                if ($_.Tags -notcontains 'PSHOST') { return }
                $kind = 'Error'
                $text = "The script called Write-Host: $_"
            }
            elseif ($_ -is [System.Management.Automation.InformationalRecord]) { return }
            else { $text = ($_ | Out-String -Width 4096).TrimEnd() }
            if ($left[$kind] -lt 0) { return }
            $cut = $left[$kind] -eq 0 -or $text.Length -gt $left[$kind]
            if ($cut) { $text = $text.Substring(0, $left[$kind]) }
            # Two for the end of the line; below nothing once something was cut off.
            $left[$kind] = if ($cut) { -1 } else { [Math]::Max(0, $left[$kind] - $text.Length - 2) }
            [pscustomobject]@{ OsrKind = $kind; OsrText = $text; OsrCut = $cut }
        }
        [pscustomobject]@{ OsrExitCode = $global:LASTEXITCODE }
    }
    try {
        $null = Wait-Job -Job $job -Timeout $TimeLimitSeconds -ErrorAction SilentlyContinue
        $state = [string] $job.State
        $ended = $state -in 'Completed', 'Failed', 'Stopped'
        $child = $job.ChildJobs[0]
        $said = @{}
        foreach ($name in 'OsrProcessId', 'OsrExitCode') {
            foreach ($item in @($child.Output)) {
                $property = $item.PSObject.Properties[$name]
                if ($null -ne $property) { $said[$name] = [int] $property.Value }
            }
        }
        if (-not $ended) {
            # Stop-Job would wait for what does not listen, and leave alone what the script started.
            if ($said.ContainsKey('OsrProcessId')) { Stop-OsrProcessTree -ProcessId $said.OsrProcessId }
            else { Stop-Job -Job $job }
        }
        $texts = @(@($child.Output) | Where-Object { $null -ne $_.PSObject.Properties['OsrText'] })
        $lines = @($texts | Where-Object { $_.OsrKind -eq 'Output' } | ForEach-Object { [string] $_.OsrText })
        $failures = @($texts | Where-Object { $_.OsrKind -eq 'Error' } | ForEach-Object { [string] $_.OsrText })
        $failures += @(@($child.Error) | ForEach-Object { "$_" })
        $exitCode = $null
        if ($said.ContainsKey('OsrExitCode')) { $exitCode = $said.OsrExitCode }
        if ($state -eq 'Blocked') { $failures += 'The script asked for input, which nobody gives; it was ended by force.' }
        elseif (-not $ended) { $failures += "The script was ended by force after $TimeLimitSeconds s." }
        elseif ($null -ne $child.JobStateInfo.Reason) { $failures += $child.JobStateInfo.Reason.Message }
        elseif ($null -ne $exitCode -and $exitCode -ne 0) { $failures += "The script exited with code $exitCode." }
        $output = $lines -join "`r`n"
        $errorOutput = $failures -join "`r`n"
        $keptOutput = Limit-OsrText -Text $output
        $keptErrors = Limit-OsrText -Text $errorOutput
        $cut = @($texts | Where-Object { $_.OsrCut }).Count -gt 0
        [pscustomobject]@{
            Path        = $Path
            Sha256      = $hash
            ExitCode    = $exitCode
            TimedOut    = -not $ended -and $state -ne 'Blocked'
            Succeeded   = $failures.Count -eq 0
            Output      = $keptOutput
            ErrorOutput = $keptErrors
            Cut         = $cut -or $keptOutput.Length -lt $output.Length -or $keptErrors.Length -lt $errorOutput.Length
        }
    }
    finally { Remove-Job -Job $job -Force }
}

Export-ModuleMember -Function @(
    'Get-OsrPlanScript'
    'Invoke-OsrPlanScript'
)
