# What the agent cannot say with cmdlets and parameters alone: certificates and a firewall rule on a
# Hyper-V host. Nothing else belongs here. Each function takes typed parameters and runs one fixed
# block on the host; no parameter ever becomes script text.

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

# Marks our certificates among those of others in LocalMachine\My.
$FriendlyName = 'Open Site Recovery replication'

function Install-OsrReplicationCertificate {
    <#
    .SYNOPSIS
        Puts a replication certificate with its key, and the root it ends in, into a host's stores.
    .DESCRIPTION
        Imports the PFX into LocalMachine\My (key not exportable) and the root into
        LocalMachine\Root, and tells Hyper-V Replica not to ask whether certificates are revoked: our
        authority publishes no list the hosts could reach, and takes a host's rights away by removing
        its authorization entries. Doing it again changes nothing. Gives the certificate.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName,
        [Parameter(Mandatory = $true)] [byte[]] $Pfx,
        [Parameter(Mandatory = $true)] [securestring] $Password,
        [Parameter(Mandatory = $true)] [byte[]] $Root
    )
    $thumbprint = Invoke-Command -ComputerName $ComputerName -ArgumentList $Pfx, $Password, $Root, $FriendlyName -ScriptBlock {
        param([byte[]] $Pfx, [securestring] $Password, [byte[]] $Root, [string] $FriendlyName)
        $ErrorActionPreference = 'Stop'
        $x509 = 'System.Security.Cryptography.X509Certificates'
        $add = {
            param($StoreName, $Certificate)
            $store = New-Object "$x509.X509Store" $StoreName, 'LocalMachine'
            $store.Open('ReadWrite')
            try { $store.Add($Certificate) } finally { $store.Close() }
        }
        $rootCertificate = New-Object "$x509.X509Certificate2" -ArgumentList @(, $Root)
        & $add 'Root' $rootCertificate
        $flags = [System.Security.Cryptography.X509Certificates.X509KeyStorageFlags]'MachineKeySet, PersistKeySet'
        $certificate = New-Object "$x509.X509Certificate2" -ArgumentList $Pfx, $Password, $flags
        $certificate.FriendlyName = $FriendlyName
        & $add 'My' $certificate
        $key = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Virtualization\Replication'
        if (-not (Test-Path -Path $key)) { $null = New-Item -Path $key }
        $null = New-ItemProperty -Path $key -Name 'DisableCertRevocationCheck' -Value 1 `
            -PropertyType DWord -Force
        $certificate.Thumbprint
    }
    Get-OsrReplicationCertificate -ComputerName $ComputerName |
        Where-Object -Property Thumbprint -EQ -Value $thumbprint
}

function Install-OsrReplicationRoot {
    <#
    .SYNOPSIS
        Makes a host trust a root of replication certificates, before one of its certificates is used.
    .DESCRIPTION
        Adds the root to LocalMachine\Root. Doing it again changes nothing.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName,
        [Parameter(Mandatory = $true)] [byte[]] $Root
    )
    Invoke-Command -ComputerName $ComputerName -ArgumentList @(, $Root) -ScriptBlock {
        param([byte[]] $Root)
        $ErrorActionPreference = 'Stop'
        $x509 = 'System.Security.Cryptography.X509Certificates'
        $certificate = New-Object "$x509.X509Certificate2" -ArgumentList @(, $Root)
        $store = New-Object "$x509.X509Store" 'Root', 'LocalMachine'
        $store.Open('ReadWrite')
        try { $store.Add($certificate) } finally { $store.Close() }
    }
}

function Get-OsrReplicationCertificate {
    <#
    .SYNOPSIS
        Lists the certificates in a host's LocalMachine\My that Hyper-V Replica could use.
    .DESCRIPTION
        Those with both purposes, client and server authentication. HostTime is what the host's clock
        says: a host whose clock is wrong takes a good certificate for an expired one.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName
    )
    Invoke-Command -ComputerName $ComputerName -ScriptBlock {
        $ErrorActionPreference = 'Stop'
        $purposes = '1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'
        foreach ($certificate in Get-ChildItem -Path Cert:\LocalMachine\My) {
            $found = @($certificate.EnhancedKeyUsageList | ForEach-Object -MemberName ObjectId)
            if (@($purposes | Where-Object { $found -notcontains $_ }).Count -eq 0) {
                [pscustomobject]@{
                    Thumbprint    = $certificate.Thumbprint
                    Subject       = $certificate.Subject
                    Issuer        = $certificate.Issuer
                    DnsNameList   = [string[]] @($certificate.DnsNameList | ForEach-Object -MemberName Unicode)
                    NotBefore     = $certificate.NotBefore
                    NotAfter      = $certificate.NotAfter
                    HasPrivateKey = $certificate.HasPrivateKey
                    FriendlyName  = $certificate.FriendlyName
                    HostTime      = [datetime]::UtcNow
                }
            }
        }
    }
}

function Remove-OsrReplicationCertificate {
    <#
    .SYNOPSIS
        Deletes a certificate and its key from a host's LocalMachine\My.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName,
        [Parameter(Mandatory = $true)] [ValidatePattern('^[0-9A-Fa-f]{40}$')] [string] $Thumbprint
    )
    Invoke-Command -ComputerName $ComputerName -ArgumentList $Thumbprint -ScriptBlock {
        param([string] $Thumbprint)
        Remove-Item -Path "Cert:\LocalMachine\My\$Thumbprint" -DeleteKey -ErrorAction Stop
    }
}

function Enable-OsrReplicationFirewallRule {
    <#
    .SYNOPSIS
        Lets a host receive Hyper-V Replica traffic on a port.
    .DESCRIPTION
        The rules that come with the Hyper-V role cover ports 80 and 443 only. Makes a rule for the
        port, or enables the one there is.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName,
        [Parameter(Mandatory = $true)] [ValidateRange(1, 65535)] [int] $Port
    )
    Invoke-Command -ComputerName $ComputerName -ArgumentList $Port -ScriptBlock {
        param([int] $Port)
        $ErrorActionPreference = 'Stop'
        $name = "OSR-Replica-$Port-In-TCP"
        $rule = Get-NetFirewallRule -Name $name -ErrorAction SilentlyContinue
        if ($null -eq $rule) {
            $null = New-NetFirewallRule -Name $name -DisplayName "Hyper-V Replica on port $Port (TCP-In)" `
                -Group 'Open Site Recovery' -Direction Inbound -Action Allow -Protocol TCP `
                -LocalPort $Port -Profile Domain, Private
        }
        elseif ($rule.Enabled -ne 'True') {
            Enable-NetFirewallRule -Name $name
        }
    }
}

function Remove-OsrReplicationFirewallRule {
    <#
    .SYNOPSIS
        Removes the rule that Enable-OsrReplicationFirewallRule made for a port.
    .DESCRIPTION
        Rules of others stay, also for the same port. Doing it again changes nothing.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName,
        [Parameter(Mandatory = $true)] [ValidateRange(1, 65535)] [int] $Port
    )
    Invoke-Command -ComputerName $ComputerName -ArgumentList $Port -ScriptBlock {
        param([int] $Port)
        $ErrorActionPreference = 'Stop'
        $rule = Get-NetFirewallRule -Name "OSR-Replica-$Port-In-TCP" -ErrorAction SilentlyContinue
        if ($null -ne $rule) { Remove-NetFirewallRule -InputObject $rule }
    }
}

Export-ModuleMember -Function @(
    'Install-OsrReplicationCertificate'
    'Install-OsrReplicationRoot'
    'Get-OsrReplicationCertificate'
    'Remove-OsrReplicationCertificate'
    'Enable-OsrReplicationFirewallRule'
    'Remove-OsrReplicationFirewallRule'
)
